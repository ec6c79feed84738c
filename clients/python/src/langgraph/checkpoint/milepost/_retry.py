"""When a call that got no answer, or "not now", is tried again. Every call of a saver may be: repeating one is safe."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from .errors import UnavailableError

FIRST_WAIT = 0.1
LONGEST_WAIT = 5.0


@dataclass(frozen=True)
class RetryPolicy:
    """At most `retries` more attempts, none of which begins later than `seconds` after the first."""

    retries: int
    seconds: float

    def __post_init__(self) -> None:
        """Refuses what cannot be meant."""
        if self.retries < 0 or self.seconds < 0:
            raise ValueError("retries and retry_seconds must not be negative")


class Attempts:
    """The attempts of one call.

    Waits are random between 0 and a limit that doubles each time (full jitter: many clients of a server that comes
    back do not come back at once), and never shorter than the server asked for.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Starts the first attempt now."""
        self._policy = policy
        self._clock = clock
        self._chance = chance
        self._began = clock()
        self._failed = 0

    def wait_after(self, failure: UnavailableError) -> float:
        """Seconds until the next attempt; raises `failure` when there is none."""
        if self._failed >= self._policy.retries:
            raise failure
        wait: float = min(FIRST_WAIT * 2**self._failed, LONGEST_WAIT) * self._chance()
        if failure.retry_after is not None:
            wait += failure.retry_after
        if self._clock() - self._began + wait > self._policy.seconds:
            raise failure
        self._failed += 1
        return wait
