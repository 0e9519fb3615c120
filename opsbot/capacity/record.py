"""Forecasts as they are kept, and how well they held.

A forecast that nobody looks back at teaches nothing: each is kept with the band it promised, and scored later against
what happened.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from opsbot.capacity.forecast import Forecast, Meeting
from opsbot.errors import OpsbotError

NUM_POINTS = 8
"""Points of a forecast that are kept, from near to far."""

_Positive = Annotated[float, Field(gt=0)]


class RecordError(OpsbotError):
    """A kept forecast or mark cannot be read."""


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Point(_Wire):
    """One promise: tokens a minute around *at_s*, seconds since the epoch, lie from *low* to *high*."""

    at_s: float
    low: _Positive
    middle: _Positive
    high: _Positive


class Record(_Wire):
    """One kept forecast. `step_s` is the time over which its load was averaged."""

    made_at_s: float
    cluster: str
    model: str
    step_s: _Positive
    points: tuple[Point, ...]
    bound: str | None = None
    earliest_s: float | None = None
    latest_s: float | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """How forecasts held.

    Args:
        num_scored: promises whose time has come and for which there are readings.
        num_inside: of these, inside their band.
        typical_factor: the median of how many times too high or too low their middles were; 1 is exact.
        num_without_data: promises whose time has come, but of which the source knows nothing.
        num_waiting: promises whose time has not come.
    """

    num_scored: int
    num_inside: int
    typical_factor: float | None
    num_without_data: int
    num_waiting: int


def keep(
    made_at_s: float, cluster: str, model: str, step_s: float, made: Forecast, bound: str | None, meets: Meeting | None
) -> dict[str, Any]:
    """A forecast as it is kept."""
    num = len(made.times)
    chosen = sorted({max(1, round(num * part / NUM_POINTS)) - 1 for part in range(1, NUM_POINTS + 1)})
    points = tuple(
        Point(at_s=made.times[i], low=made.values[i].low, middle=made.values[i].median, high=made.values[i].high)
        for i in chosen
    )
    return Record(
        made_at_s=made_at_s,
        cluster=cluster,
        model=model,
        step_s=step_s,
        points=points,
        bound=bound,
        earliest_s=meets.earliest if meets else None,
        latest_s=meets.latest if meets else None,
    ).model_dump()


def parse_records(entries: Sequence[Mapping[str, Any]], shown: str) -> tuple[Record, ...]:
    """Kept forecasts; *shown* names their file.

    Raises: RecordError.
    """
    try:
        return tuple(Record.model_validate(entry) for entry in entries)
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise RecordError(f"{shown}: a forecast's {field!r} cannot be read; move the file away") from error


def due(records: Sequence[Record], now_s: float) -> list[tuple[Record, Point]]:
    """Promises whose time has come."""
    return [(record, point) for record in records for point in record.points if point.at_s <= now_s]


def score(records: Sequence[Record], happened: Mapping[tuple[str, str, float, float], float], now_s: float) -> Score:
    """How *records* held; *happened* is tokens a minute by (cluster, model, at_s, step_s)."""
    come = due(records, now_s)
    num_inside, without, factors = 0, 0, []
    for record, point in come:
        value = happened.get((record.cluster, record.model, point.at_s, record.step_s))
        if value is None:
            without += 1
            continue
        num_inside += point.low <= value <= point.high
        factors.append(math.exp(abs(math.log(value / point.middle))) if value > 0 else math.inf)
    return Score(
        num_scored=len(factors),
        num_inside=num_inside,
        typical_factor=median(factors) if factors else None,
        num_without_data=without,
        num_waiting=sum(len(record.points) for record in records) - len(come),
    )
