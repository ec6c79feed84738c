"""A wall clock that a test sets while programs run by it: `wrong_clock.c`, loaded before them."""

from preloaded import Preloaded

DAY = 86_400


class WrongClock(Preloaded):
    """The clock of the programs that get its `environment`: right at first."""

    def __init__(self, directory):
        super().__init__("wrong_clock", directory)
        self.ahead = 0

    def set(self, seconds):
        """Sets it to so many seconds ahead of the right time, at once, for all that run by it."""
        self.ahead = seconds
        self.write(seconds)
