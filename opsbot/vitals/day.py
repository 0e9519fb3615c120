"""The fleet over a day, for whoever plans with it: tokens a minute, share of capacity, the peak, and where it goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from opsbot.capacity.forecast import DAY_S, Meeting, Readings, forecast, meeting
from opsbot.capacity.gather import Source, gather
from opsbot.capacity.hardware import Figures
from opsbot.capacity.text import ahead, trend_sentence
from opsbot.capacity.usage import Bound, Cluster

STEP_S = 600.0
LOOK_BACK_S = 2 * DAY_S
"""Today and yesterday."""
WINDOW_S = 120.0
"""Of rates: a longer one would show a tenth of what a fleet carries that is a minute old."""
YOUNG_S = 3 * 3600.0
"""A source that knows less is looked at more closely, over LEAST_S at least."""
LEAST_S, LEAST_STEP_S, NUM_STEPS = 3600.0, 15.0, 288


@dataclass(frozen=True, slots=True)
class Load:
    """One cluster now. `used_ratio` is 0 to 1, and `capacity` in tokens a minute; None where not known."""

    cluster: str
    model: str
    tokens_per_min: float | None
    used_ratio: float | None
    bound: Bound | None
    capacity: float | None


@dataclass(frozen=True, slots=True)
class Peak:
    """The most that a day carried: when, tokens a minute, what share of capacity that was, and who carried most."""

    at: float
    tokens_per_min: float
    used_ratio: float | None
    cluster: str


@dataclass(frozen=True, slots=True)
class FleetDay:
    """The last 24 hours and the 24 before them; of a source that is younger than YOUNG_S what it knows.

    Args:
        tokens, yesterday: tokens a minute at the same steps; yesterday's are shown at today's times.
        used: share of capacity, 0 to 1; None where a cluster's capacity is not known.
        peak, yesterdays_peak: at their own times; None without a reading.
        sentence: where it goes, in words.
        meets: when the capacity is met, if that can be told.
        loads: the clusters now, the fullest first.
        missing: clusters of which there is no reading now.
    """

    at: float
    tokens: Readings
    yesterday: Readings
    used: Readings | None
    peak: Peak | None
    yesterdays_peak: Peak | None
    sentence: str
    meets: Meeting | None
    loads: tuple[Load, ...]
    missing: tuple[str, ...] = ()

    @property
    def begin_s(self) -> float:
        """The first reading's time, but an hour before the end at the latest."""
        known = self.tokens.known()
        return min(known[0][0] if known else self.tokens.start_s, self.tokens.end_s - LEAST_S)

    @property
    def span(self) -> str:
        """`24 hours`."""
        number, unit = ahead(self.tokens.end_s - self.begin_s)
        return f"{number:.0f} {unit}"

    @property
    def tokens_now(self) -> float | None:
        """The last reading."""
        return next((value for value in reversed(self.tokens.values) if not math.isnan(value)), None)

    @property
    def used_now(self) -> float | None:
        """The last share of capacity."""
        values = self.used.values if self.used is not None else ()
        return next((value for value in reversed(values) if not math.isnan(value)), None)


async def clusters_of_two_days(source: Source, now_s: float, figures: Figures) -> tuple[Cluster, ...]:
    """What `day_of` works on.

    Raises: SourceError when the source does not answer, or knows no tokens.
    """
    end_s = math.floor(now_s / 15) * 15.0
    found = await gather(source, end_s - LOOK_BACK_S, end_s, STEP_S, figures, WINDOW_S)
    first_s = min((one.tokens.known()[0][0] for one in found if one.tokens.known()), default=end_s)
    if end_s - first_s > YOUNG_S:
        return _settled(found)
    half_s = max(LEAST_S, math.ceil((end_s - first_s + STEP_S) / 600) * 600.0)
    step_s = max(LEAST_STEP_S, float(round(2 * half_s / NUM_STEPS)))
    return _settled(await gather(source, end_s - 2 * half_s, end_s, step_s, figures, WINDOW_S))


def _settled(clusters: Sequence[Cluster]) -> tuple[Cluster, ...]:
    """Without rates whose range was not full yet: beside shares that are whole, a cluster would seem to carry little of
    much.
    """
    return tuple(replace(one, tokens=one.tokens.settled(WINDOW_S)) for one in clusters)


def day_of(clusters: Sequence[Cluster], now_s: float) -> FleetDay:
    """The day of at least one cluster; all have the same times. Takes a second: a forecast is made."""
    whole = together(clusters)
    made = forecast(whole.tokens, DAY_S)
    able = whole.capacity
    meets = meeting(made, able) if made is not None and able is not None else None
    middle = len(whole.tokens.values) // 2
    used = whole.used
    return FleetDay(
        at=now_s,
        tokens=_part(whole.tokens, middle, len(whole.tokens.values)),
        yesterday=_part(whole.tokens, 0, middle + 1),
        used=None if used is None else _part(used, middle, len(used.values)),
        peak=_peak(whole, clusters, middle, len(whole.tokens.values)),
        yesterdays_peak=_peak(whole, clusters, 0, middle),
        sentence=trend_sentence(whole, made, meets, now_s),
        meets=meets,
        loads=tuple(sorted(map(_load, clusters), key=lambda one: (-round(one.used_ratio or 0.0, 2), one.cluster))),
        missing=tuple(one.name for one in clusters if _is_silent(one)),
    )


def together(clusters: Sequence[Cluster]) -> Cluster:
    """The fleet as one cluster: its capacity is the sum of theirs, where all are known, and it is bound as the fullest
    of them is.
    """
    first = clusters[0].tokens
    sums = [_sum([one.tokens.values[at] for one in clusters]) for at in range(len(first.values))]
    tokens = Readings(first.start_s, first.step_s, sums)
    able = [one.capacity for one in clusters]
    fullest = max(clusters, key=lambda one: one.used_now or 0.0)
    if fullest.bound is None or any(one is None for one in able):
        return Cluster("fleet", "", tokens, {})
    capacity = sum(one.median for one in able if one is not None)
    used = Readings(first.start_s, first.step_s, [value / capacity for value in sums])
    return Cluster("fleet", "", tokens, {fullest.bound: used})


def _part(readings: Readings, begin: int, end: int) -> Readings:
    start_s = readings.start_s + begin * readings.step_s
    return Readings(start_s, readings.step_s, tuple(readings.values[begin:end]))


def _peak(whole: Cluster, clusters: Sequence[Cluster], begin: int, end: int) -> Peak | None:
    known = [(value, at) for at, value in enumerate(whole.tokens.values[begin:end], begin) if not math.isnan(value)]
    if not known:
        return None
    value, at = max(known)
    used = whole.used.values[at] if whole.used is not None else math.nan
    most = max(clusters, key=lambda one: _or_zero(one.tokens.values[at]))
    return Peak(whole.tokens.times[at], value, None if math.isnan(used) else used, most.name)


def _load(one: Cluster) -> Load:
    able = one.capacity.median if one.capacity is not None else None
    if _is_silent(one):
        return Load(one.name, one.model, None, None, None, able)
    return Load(one.name, one.model, one.tokens_now, one.used_now, one.bound, able)


def _is_silent(one: Cluster) -> bool:
    """Whether the last steps have no reading: what was known before is not what is now."""
    return all(math.isnan(value) for value in one.tokens.values[-2:])


def _sum(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) if known else math.nan


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value
