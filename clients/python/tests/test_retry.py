"""How long a client waits before it tries again, without waiting."""

import pytest

from langgraph.checkpoint.milepost import UnavailableError
from langgraph.checkpoint.milepost._retry import Attempts, RetryPolicy


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def attempts(retries=8, seconds=1000.0, chance=1.0, clock=None):
    return Attempts(RetryPolicy(retries, seconds), clock or Clock(), lambda: chance)


def test_waits_double_up_to_a_limit():
    one_call = attempts()
    waits = [one_call.wait_after(UnavailableError("")) for _ in range(8)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_waits_are_spread_over_all_of_it():
    assert attempts(chance=0.0).wait_after(UnavailableError("")) == 0
    assert attempts(chance=0.5).wait_after(UnavailableError("")) == 0.05


def test_what_the_server_asks_for_is_the_least():
    assert attempts().wait_after(UnavailableError("", retry_after=2.0)) == 2.1


def test_the_failure_itself_is_raised_when_all_attempts_are_used():
    one_call, failure = attempts(retries=2), UnavailableError("the last one")
    one_call.wait_after(UnavailableError("1"))
    one_call.wait_after(UnavailableError("2"))
    with pytest.raises(UnavailableError) as raised:
        one_call.wait_after(failure)
    assert raised.value is failure


def test_no_retries_means_none():
    with pytest.raises(UnavailableError):
        attempts(retries=0).wait_after(UnavailableError(""))


def test_no_attempt_begins_after_the_time_is_up():
    clock = Clock()
    one_call = attempts(seconds=10.0, clock=clock)
    one_call.wait_after(UnavailableError(""))
    clock.now += 9.9
    with pytest.raises(UnavailableError):
        one_call.wait_after(UnavailableError(""))


def test_a_wait_longer_than_the_time_left_is_not_begun():
    with pytest.raises(UnavailableError):
        attempts(seconds=10.0).wait_after(UnavailableError("", retry_after=60.0))


@pytest.mark.parametrize(("retries", "seconds"), [(-1, 1.0), (1, -1.0)])
def test_negative_limits_are_refused(retries, seconds):
    with pytest.raises(ValueError, match="negative"):
        RetryPolicy(retries, seconds)
