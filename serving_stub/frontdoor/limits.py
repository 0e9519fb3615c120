"""Requests and tokens a minute: taken when a request is admitted, settled when it is known what was generated.

Counting is the sliding window counter of the `limits` library: this minute's count, plus the last one's in proportion
to how much of it is still within sixty seconds. It costs the same for one token and for a million. The storage below
is ours, since the library's own reads the system's clock, starts threads, and cannot take a charge back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from limits import RateLimitItemPerMinute
from limits.storage import Storage
from limits.storage.base import SlidingWindowCounterSupport
from limits.strategies import SlidingWindowCounterRateLimiter
from pydantic import BaseModel, ConfigDict, Field

from serving_stub.frontdoor.refusal import Reason, Refusal

WINDOW_S = 60

Count = Annotated[int, Field(ge=1, le=10**12)]
Kind = Literal["requests", "tokens"]


class Limits(BaseModel):
    """What somebody may use in a minute; None is no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_min: Count | None = None
    tokens_per_min: Count | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Budget:
    """What one name may use in a minute; several budgets may meet in one request, and all must suffice.

    Args:
        name: whose it is; the count goes with the name, so a limit that changes keeps what was used.
    """

    name: str
    requests_per_min: int | None = None
    tokens_per_min: int | None = None

    @classmethod
    def of(cls, name: str, limits: Limits) -> Budget:
        return cls(name, limits.requests_per_min, limits.tokens_per_min)


@dataclass(frozen=True, slots=True)
class Charge:
    """What one admitted request took, to be settled.

    Args:
        window: the minute that it was charged to; a settlement corrects that minute and no other.
    """

    request_items: tuple[_Item, ...]
    token_items: tuple[_Item, ...]
    num_tokens: int
    window: int


@dataclass(frozen=True, slots=True)
class Exceeded:
    """The first limit that did not suffice.

    Args:
        index: of the budget among those given.
        wait_s: when the same request would fit, if nobody else takes anything; None if it never does, since it alone
            is more than a minute's worth.
    """

    index: int
    budget: Budget
    kind: Kind
    limit: int
    asked: int
    wait_s: float | None


class _Item(RateLimitItemPerMinute):
    """A limit whose key is the name that it belongs to, whatever the amount."""

    __slots__ = ("key",)

    def __init__(self, amount: int, key: str) -> None:
        super().__init__(amount)
        self.key = key

    def key_for(self, *identifiers: object) -> str:
        return self.key


class RateLimiter:
    """The counts of all budgets; in one thread, at times that never step back."""

    def __init__(self) -> None:
        self._windows = _Windows()
        self._strategy = SlidingWindowCounterRateLimiter(self._windows)

    def take(self, budgets: Sequence[Budget], num_tokens: int, now: float) -> Charge | Exceeded:
        """Charge one request of *num_tokens* (prompt and most that may be generated) to every budget, or to none."""
        self._windows.advance(now)
        taken: tuple[list[_Item], list[_Item]] = ([], [])
        for index, budget in enumerate(budgets):
            for items, (kind, amount, cost) in zip(taken, _limits_of(budget, num_tokens), strict=True):
                if amount is None:
                    continue
                item = _Item(amount, f"{kind[0]}:{budget.name}")
                if not self._strategy.hit(item, cost=cost):
                    self._give_back(*taken, num_tokens, self._windows.index)
                    return Exceeded(index, budget, kind, amount, cost, self._windows.wait_s(item.key, amount, cost))
                items.append(item)
        return Charge(tuple(taken[0]), tuple(taken[1]), num_tokens, self._windows.index)

    def settle(self, charge: Charge, num_tokens: int) -> None:
        """Correct *charge* to the tokens that were really used. Once a charge."""
        for item in charge.token_items:
            self._windows.add(charge.window, item.key, num_tokens - charge.num_tokens)

    def refund(self, charge: Charge) -> None:
        """Take *charge* back as if it had not been: the request was turned away further on. Instead of `settle`."""
        self._give_back(charge.request_items, charge.token_items, charge.num_tokens, charge.window)

    def headers(self, budgets: Iterable[Budget], now: float) -> tuple[tuple[str, str], ...]:
        """OpenAI's `x-ratelimit-*` headers, each kind of the budget with the least left."""
        self._windows.advance(now)
        least: dict[Kind, tuple[int, int, float]] = {}
        for budget in budgets:
            for kind, amount, _ in _limits_of(budget, 0):
                if amount is not None:
                    key = f"{kind[0]}:{budget.name}"
                    remaining = max(0, amount - math.floor(self._windows.count(key)))
                    least[kind] = min(
                        least.get(kind, (1 << 62, 0, 0.0)), (remaining, amount, self._windows.empty_s(key))
                    )
        return tuple(
            pair
            for kind, (remaining, amount, reset_s) in least.items()
            for pair in (
                (f"x-ratelimit-limit-{kind}", str(amount)),
                (f"x-ratelimit-remaining-{kind}", str(remaining)),
                (f"x-ratelimit-reset-{kind}", format_reset(reset_s)),
            )
        )

    def _give_back(
        self, request_items: Iterable[_Item], token_items: Iterable[_Item], num_tokens: int, window: int
    ) -> None:
        for item in request_items:
            self._windows.add(window, item.key, -1)
        for item in token_items:
            self._windows.add(window, item.key, -num_tokens)


def rate_refusal(exceeded: Exceeded, headers: tuple[tuple[str, str], ...]) -> Refusal:
    """The answer to a request over its limit; *headers* are those of `RateLimiter.headers`."""
    reason = Reason.RATE_LIMIT_REQUESTS if exceeded.kind == "requests" else Reason.RATE_LIMIT_TOKENS
    limit = f"The limit is {exceeded.limit} {exceeded.kind} a minute"
    if exceeded.wait_s is None:
        return Refusal(
            429,
            "rate_limit_exceeded",
            f"{limit}; this request alone asks for {exceeded.asked}. Lower max_tokens or shorten the prompt.",
            reason,
            param="max_tokens",
            headers=(*headers, ("x-should-retry", "false")),
        )
    return Refusal(
        429,
        "rate_limit_exceeded",
        f"{limit} and is used up. Try again in {format_reset(exceeded.wait_s)}.",
        reason,
        retry_after_s=exceeded.wait_s,
        headers=headers,
    )


def format_reset(seconds: float) -> str:
    """A wait as OpenAI's headers write it: `120ms`, `1s`, `1m30s`; rounded up."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _limits_of(budget: Budget, num_tokens: int) -> tuple[tuple[Kind, int | None, int], tuple[Kind, int | None, int]]:
    return ("requests", budget.requests_per_min, 1), ("tokens", budget.tokens_per_min, num_tokens)


class _Windows(Storage, SlidingWindowCounterSupport):
    """Counts of this minute and the last; older ones are dropped whole, so a name that stays away costs nothing.

    The time is set by whoever is about to count, and never steps back.
    """

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self._now = -math.inf
        self.index = 0
        self._current: dict[str, int] = {}
        self._previous: dict[str, int] = {}

    def advance(self, now: float) -> None:
        """It is *now*."""
        if now <= self._now:
            return
        self._now = now
        index = math.floor(now / WINDOW_S)
        if index == self.index:
            return
        self._previous = self._current if index == self.index + 1 else {}
        self._current = {}
        self.index = index

    def add(self, window: int, key: str, amount: int) -> None:
        """Correct the count of *window*; one that is over and done needs no correction."""
        counts = {self.index: self._current, self.index - 1: self._previous}.get(window)
        if counts is not None:
            counts[key] = max(0, counts.get(key, 0) + amount)

    def count(self, key: str) -> float:
        """What was used in the last sixty seconds, as the strategy weighs it."""
        return self._previous.get(key, 0) * self._rest_share() + self._current.get(key, 0)

    def wait_s(self, key: str, limit: int, cost: int) -> float | None:
        """Seconds until *cost* fits, if nothing else is counted until then; None if it never will."""
        if cost > limit:
            return None
        room = limit - cost + 1  # The strategy rounds the count down, so it must fall below this.
        previous, current, rest = self._previous.get(key, 0), self._current.get(key, 0), self._rest_share()
        if current < room:
            share = rest - (room - current) / previous if previous else 0.0
        else:
            share = rest + 1 - room / current
        return WINDOW_S * max(0.0, share) + 0.001

    def empty_s(self, key: str) -> float:
        """Seconds until nothing is counted any more."""
        if self._current.get(key):
            return WINDOW_S * (self._rest_share() + 1)
        return WINDOW_S * self._rest_share() if self._previous.get(key) else 0.0

    def _rest_share(self) -> float:
        """How much of this minute is still to come, which is how much of the last one counts."""
        return self.index + 1 - self._now / WINDOW_S

    # What the library's strategy calls.

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        if math.floor(self.count(key)) + amount > limit:
            return False
        self._current[key] = self._current.get(key, 0) + amount
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        rest_s = self._rest_share() * WINDOW_S
        return self._previous.get(key, 0), rest_s, self._current.get(key, 0), rest_s + WINDOW_S

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        self.clear(key)

    # What the library asks of every storage.

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        self.add(self.index, key, amount)
        return self.get(key)

    def get(self, key: str) -> int:
        return self._current.get(key, 0)

    def get_expiry(self, key: str) -> float:
        return self._now + self.empty_s(key)

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        num_names = len(self._current.keys() | self._previous.keys())
        self._current, self._previous = {}, {}
        return num_names

    def clear(self, key: str) -> None:
        self._current.pop(key, None)
        self._previous.pop(key, None)
