"""Whether the end of an alert is an all-clear, from where its load goes.

The load's trend is the capacity core's own forecast; what it cannot tell is said and taken for clear, because the
alert itself has ended on data that was there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from opsbot.alert.all_clear import Question
from opsbot.capacity.forecast import DAY_S, Readings, forecast, meeting
from opsbot.capacity.lognormal import LogNormal

NUM_STEPS = 120
"""Readings that a trend is taken from, over the whole of the question's history."""
MIN_STEP_S = 5.0
AHEAD_OF_HISTORY = 2.0
"""How far one looks ahead at most, by how far the readings go back."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the trend says; `meets_at`, seconds since the epoch, is when capacity is likely met."""

    is_clear: bool
    reason: str
    meets_at: float | None = None


def step_s(question: Question) -> float:
    """Whole seconds between two readings to ask for."""
    return max(MIN_STEP_S, float(round(question.look_back_s / NUM_STEPS)))


def judge(
    series: Sequence[tuple[Mapping[str, str], Points]], labels: Mapping[str, str], question: Question, now: float
) -> Verdict:
    """The verdict on an alert with *labels*, given the question's series at `step_s`."""
    mine = [points for found, points in series if points and _agrees(found, labels)]
    if not mine:
        return Verdict(True, "No trend can be told: there are no readings of the load")
    points = max(mine, key=lambda one: one[-1][1])
    step = step_s(question)
    readings = _readings(points, step)
    last = points[-1][1]
    if last >= question.limit:
        return Verdict(
            False, f"It is at capacity: {_number(last, question)} of {_number(question.limit, question)}", now
        )
    # A few minutes say nothing about hours.
    ahead = forecast(readings, min(question.within_s, AHEAD_OF_HISTORY * (points[-1][0] - points[0][0])))
    if ahead is None:
        return Verdict(
            True, f"No trend can be told from {len(points)} reading{'' if len(points) == 1 else 's'} of the load"
        )
    met = meeting(ahead, LogNormal(math.log(question.limit), 0.0))
    if not ahead.has_trend or ahead.growth_per_day.median <= 1 or met.likely is None:
        return Verdict(True, f"The load is at {_number(last, question)}, and its trend does not meet capacity")
    return Verdict(
        False, _lethal(last, ahead.growth_per_day.median, met.earliest, met.likely, question, now), met.likely
    )


def _lethal(
    last: float, growth_per_day: float, earliest: float | None, likely: float, question: Question, now: float
) -> str:
    growth = growth_per_day ** (3600.0 / DAY_S)
    text = (
        f"Not an all-clear: the load is at {_number(last, question)}, grows {growth:.2g}-fold an hour and meets "
        f"capacity around {_clock(likely)}, in {_ahead(likely - now)}"
    )
    if earliest is not None and likely - earliest > 60:
        text += f" (perhaps as early as {_clock(earliest)})"
    return text


def _readings(points: Points, step: float) -> Readings:
    start = points[0][0]
    values = [math.nan] * (round((points[-1][0] - start) / step) + 1)
    for at, value in points:
        values[round((at - start) / step)] = value
    return Readings(start, step, values)


def _agrees(found: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(name, value) == value for name, value in found.items())


def _number(value: float, question: Question) -> str:
    if question.limit <= 1:
        return f"{value:.0%}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M UTC")


def _ahead(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
