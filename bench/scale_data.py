"""Made-up history of what targets expose: the same numbers for whoever evaluates rules over them, from a seed.

An exposition of the server's own metrics says which series there are and how fast each counts; values go on from there
a second at a time. It needs numpy only, so that a process which measures its memory holds nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EXPOSED_AFTER_S = 20
"""How long the target had been counting when it exposed what is read here."""
_LINE = re.compile(r"^([\w:]+)(\{[^}]*\})? (\S+)$")


@dataclass(frozen=True, slots=True)
class Series:
    """One line of an exposition: its text before the value, and the value."""

    text: str
    name: str
    value: float

    @property
    def is_bucket(self) -> bool:
        return self.name.endswith("_bucket")

    @property
    def is_counted(self) -> bool:
        """Whether it only grows."""
        return self.name.endswith(("_total", "_bucket", "_count", "_sum"))


def series_of(exposition: str) -> list[Series]:
    """Every series of a text, in its order."""
    found = []
    for line in exposition.splitlines():
        match = _LINE.match(line)
        if match is not None:
            found.append(Series(f"{match[1]}{match[2] or ''}", match[1], float(match[3])))
    return found


def history(series: Sequence[Series], seconds: int, seed: int) -> NDArray[np.float64]:
    """Values [series, seconds]: counters go on at their pace, buckets stay cumulative, gauges wander."""
    rng = np.random.default_rng(seed)
    values = np.empty((len(series), seconds))
    before = 0.0
    running = np.zeros(seconds)
    for row, one in enumerate(series):
        if not one.is_counted:
            spread = abs(one.value) * 0.02 or 0.01
            is_fixed = one.name.endswith(("_created", "_info")) or one.value > 1e9
            values[row] = one.value if is_fixed else np.abs(one.value + rng.normal(0, spread, seconds).cumsum())
        elif one.is_bucket:
            if before > one.value or row == 0 or not series[row - 1].is_bucket:
                before, running = 0.0, np.zeros(seconds)
            running = running + rng.poisson((one.value - before) / EXPOSED_AFTER_S, seconds)
            before = one.value
            values[row] = one.value + running.cumsum()
        elif one.name.endswith("_count"):
            values[row] = one.value + running.cumsum()
        else:
            values[row] = one.value + rng.poisson(one.value / EXPOSED_AFTER_S, seconds).cumsum()
    return values
