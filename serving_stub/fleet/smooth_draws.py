"""Draws for the router that are spread evenly: shares follow weights after tens of requests, not thousands.

Each kind of request has a sequence of its own that steps by the golden ratio, whose numbers fill 0 to 1 as evenly as
any; sequences of different kinds cannot fall into step with one another.
"""

from __future__ import annotations

import random

_STEP = (5**0.5 - 1) / 2
MOST_KINDS = 10_000


class SmoothDraws:
    """Sequences by kind of request; a seed fixes them all."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._last: dict[str, float] = {}

    def next(self, country: str, model: str) -> float:
        """The next draw for a request of that kind, from 0 to below 1; past MOST_KINDS, kinds share a sequence."""
        kind = f"{country}:{model}"
        if kind not in self._last and len(self._last) >= MOST_KINDS:
            kind = ""
        last = self._last.get(kind)
        if last is None:
            last = random.Random(f"{self._seed}:{kind}").random()
        draw = (last + _STEP) % 1.0
        self._last[kind] = draw
        return draw
