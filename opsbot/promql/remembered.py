"""What long windows yielded, so that a rule over hours costs a round nothing until some of its window has passed.

A value is that of a multiple of its interval, whoever asks in between: it does not depend on when watch was started.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from opsbot.promql.vector import Value

SETTLED_S = 2.0
"""So long after an instant its samples are there: a scrape takes no longer."""
FORGOTTEN_AFTER = 1000
"""Values that are kept at most; rules have a few each."""


@dataclass(slots=True)
class Remembered:
    """The newest value of each thing that was asked."""

    num_computed: int = 0
    _known: dict[Hashable, tuple[float, Value]] = field(default_factory=dict)

    def value(self, key: Hashable, every_s: float, time_s: float, compute: Callable[[float], Value]) -> Value:
        """The value at the last multiple of *every_s* before *time_s*, computed once."""
        at_s = (time_s - SETTLED_S) // every_s * every_s
        found = self._known.get(key)
        if found is None or found[0] != at_s:
            if len(self._known) >= FORGOTTEN_AFTER:
                self._known.clear()
            found = self._known[key] = (at_s, compute(at_s))
            self.num_computed += 1
        return found[1]

    def clear(self) -> None:
        """Forget all: the rules or the samples behind them are others now."""
        self._known.clear()
