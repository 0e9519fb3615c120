"""The one sentence on where the load goes: when it is full at this pace, or why that cannot be told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from opsbot.capacity.forecast import DAY_S, Meeting, forecast, meeting
from opsbot.capacity.text import ahead
from opsbot.capacity.usage import Cluster
from opsbot.utilisation.moment import about
from opsbot.vitals.day import FleetDay, together

NEAR_ENOUGH_S = 3 * 3600.0
"""A band that is narrower is one time, said with `about`."""
LEAST_KNOWN_S = 3600.0
REACH = 0.5
"""What is known over a time says something of half as long ahead."""
LOOK_BACK_S, STEP_S = 14 * DAY_S, 3600.0
MOST_AHEAD_S = 6 * DAY_S
"""Days of a week are told apart by their names."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When the capacity is met at this pace.

    Args:
        known_s: how long ago the first reading was, seconds.
        reach_s: how far ahead it was looked.
    """

    known_s: float
    reach_s: float
    meets: Meeting | None


def pace_of_day(day: FleetDay) -> Pace:
    """By today and yesterday alone."""
    known = day.yesterday.known() or day.tokens.known()
    known_s = day.tokens.end_s - known[0][0] if known else 0.0
    return Pace(known_s, min(DAY_S, REACH * known_s), day.meets)


def pace_of_weeks(clusters: Sequence[Cluster], now: float) -> Pace:
    """By all that is known of at least one cluster; takes a second."""
    whole = together(clusters)
    known = whole.tokens.known()
    known_s = now - known[0][0] if known else 0.0
    reach_s = min(MOST_AHEAD_S, REACH * known_s)
    able = whole.capacity
    made = forecast(whole.tokens, reach_s) if reach_s >= STEP_S else None
    return Pace(known_s, reach_s, meeting(made, able) if made is not None and able is not None else None)


def trend(day: FleetDay, zone: ZoneInfo, pace: Pace | None = None) -> str:
    """One sentence with its full stop."""
    pace = pace or pace_of_day(day)
    if day.used_now is None:
        return "How full it is cannot be told: the capacity of a cluster is not known."
    if day.used_now >= 1:
        return "It is full now."
    if pace.meets is None or pace.known_s < LEAST_KNOWN_S:
        return "Where it goes cannot be told yet: there are too few readings."
    early, likely, late = (
        at if at is not None and at - day.at <= pace.reach_s else None
        for at in (pace.meets.earliest, pace.meets.likely, pace.meets.latest)
    )
    if early is None:
        number, unit = ahead(pace.reach_s)
        return f"At this pace it is not full within the next {number:.0f} {unit}."
    if likely is None:
        return f"It may be full {about(early, day.at, zone)} at the earliest, but more likely not."
    if late is not None and late - early <= NEAR_ENOUGH_S:
        return f"At this pace it is full {about(likely, day.at, zone)}."
    until = "or later" if late is None else f"and {about(late, day.at, zone)} at the latest"
    return (
        f"At this pace it is full {about(likely, day.at, zone)}; {about(early, day.at, zone)} at the earliest, {until}."
    )
