"""The axis of time of a picture: a few whole minutes or hours, in UTC, which the picture says elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsbot.capacity.forecast import DAY_S
from opsbot.chart.style import clock_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STEPS_S = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
MOST_TICKS = 5
EDGE = 0.03
"""Of the span: words so near to the end would stand out of the picture."""


def ticks(begin_s: float, end_s: float) -> list[float]:
    """Round times between the two."""
    span_s = end_s - begin_s
    step = next((one for one in _STEPS_S if span_s / one <= MOST_TICKS), _STEPS_S[-1])
    first = math.ceil(begin_s / step) * step
    last_s = end_s - EDGE * span_s
    return [at for index in range(MOST_TICKS + 1) if (at := first + index * step) <= last_s]


def style_time(axes: Axes, begin_s: float, end_s: float) -> None:
    """Times under *axes*, which has seconds since the epoch."""
    found = ticks(begin_s, end_s)
    axes.set_xlim(begin_s, end_s)
    axes.set_xticks(found, [clock_of(at, with_day=end_s - begin_s > 2 * DAY_S) for at in found])


def connected(points: Sequence[tuple[float, float]], longest_s: float) -> tuple[list[float], list[float]]:
    """The points with a gap wherever two are further apart than *longest_s*."""
    times: list[float] = []
    values: list[float] = []
    for at, value in points:
        if times and at - times[-1] > longest_s:
            times.append(at)
            values.append(math.nan)
        times.append(at)
        values.append(value)
    return times, values
