"""How many users the failwhale turned away since it went up: each one once, and their requests."""

from __future__ import annotations

from dataclasses import dataclass

import xxhash

MOST_USERS = 100_000
"""Past these, memory no longer grows and the count says that it is a lower bound."""


@dataclass(frozen=True, slots=True)
class TurnedAwayTally:
    """The count of one failwhale.

    Args:
        is_at_least: whether there were more users than could be told apart.
        since: when it went up, seconds since the epoch.
    """

    users: int
    is_at_least: bool
    requests: int
    since: float


class UsersTurnedAway:
    """Counts while the failwhale is up and forgets who it was when it goes down; belongs to the event loop.

    It keeps 64-bit hashes of identities, about 7 MB of them at most; two users share one with odds of 1 in 10⁹.
    """

    def __init__(self, most_users: int = MOST_USERS) -> None:
        self._most_users = most_users
        self._seen: set[int] = set()
        self._requests = 0
        self._is_at_least = False
        self._since: float | None = None
        self._last: TurnedAwayTally | None = None

    def set_up(self, now: float, *, is_up: bool) -> TurnedAwayTally | None:
        """Tell whether any failwhale lease is in force; saying the same twice changes nothing.

        Returns: the closing count, when it goes down.
        """
        if is_up == (self._since is not None):
            return None
        if is_up:
            self._since = now
            return None
        self._last = self.tally
        self._seen = set()
        self._requests = 0
        self._is_at_least = False
        self._since = None
        return self._last

    def add(self, identity: str) -> None:
        """Count one request turned away."""
        self._requests += 1
        seen = xxhash.xxh3_64_intdigest(identity.encode())
        if seen in self._seen:
            return
        if len(self._seen) >= self._most_users:
            self._is_at_least = True
            return
        self._seen.add(seen)

    @property
    def tally(self) -> TurnedAwayTally | None:
        """The count so far; None while the failwhale is down."""
        if self._since is None:
            return None
        return TurnedAwayTally(len(self._seen), self._is_at_least, self._requests, self._since)

    @property
    def last(self) -> TurnedAwayTally | None:
        """The closing count of the failwhale before this one."""
        return self._last
