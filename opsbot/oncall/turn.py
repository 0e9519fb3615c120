"""Who is on call in a schedule at a moment, until when, and who is next.

Turns are counted in local days, so a handoff at 09:00 is at 09:00 whatever the clocks do. A local time that a change
skips is taken as if the clock had not been changed yet; of one that comes twice, the first counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from opsbot.oncall.model import Hours, Member, Override, Rota, Rotation, Schedule, Target, TargetKind

LOOK_AHEAD_S = 400 * 86_400.0
"""Further ahead nobody plans; a rotation of one person has no next one at all."""
MOST_STEPS = 3000


@dataclass(frozen=True, slots=True)
class Turn:
    """Who is on call in one schedule.

    Args:
        member: None while nobody is.
        until: when that changes, in seconds since the epoch; None if it does not within a year.
        next_member: who it is then; None for nobody.
        override: the override that is why.
    """

    schedule_id: str
    zone: ZoneInfo
    member: Member | None
    until: float | None
    next_member: Member | None
    override: Override | None


def who(schedule: Schedule, at: float) -> Member | None:
    """Who is on call at *at*, in seconds since the epoch."""
    override = _override(schedule, at)
    if override is not None:
        return override.member
    for rotation in schedule.rotations:
        if rotation.hours is None or _counts(rotation.hours, schedule.zone, at):
            index = _index(rotation, schedule.zone, at)
            if index >= 0:
                return rotation.people[index % len(rotation.people)]
    return None


def turn(schedule: Schedule, at: float) -> Turn:
    """Who is on call at *at*, and what comes then."""
    member = who(schedule, at)
    until, upcoming = at, member
    for _ in range(MOST_STEPS):
        edge = min(_edges(schedule, until), default=None)
        if edge is None or edge > at + LOOK_AHEAD_S:
            break
        until, upcoming = edge, who(schedule, edge)
        if upcoming != member:
            return Turn(schedule.schedule_id, schedule.zone, member, until, upcoming, _override(schedule, at))
    return Turn(schedule.schedule_id, schedule.zone, member, None, None, _override(schedule, at))


def people_of(target: Target, rota: Rota, at: float) -> Member | None:
    """Whom a target means at *at*; None while its schedule has nobody, or is no longer there."""
    if target.kind is TargetKind.PERSON:
        return None if target.user_id is None else Member(target.name, target.user_id)
    schedule = rota.schedule(target.name)
    return None if schedule is None else who(schedule, at)


def moment(zone: ZoneInfo, day: date, clock: time) -> float:
    """A local time as seconds since the epoch."""
    return datetime.combine(day, clock, zone).timestamp()


def _override(schedule: Schedule, at: float) -> Override | None:
    return next((one for one in schedule.overrides if one.begins_at <= at < one.ends_at), None)


def _handoff(rotation: Rotation, zone: ZoneInfo, index: int) -> float:
    return moment(zone, rotation.start + timedelta(days=index * rotation.shift_days), rotation.handoff)


def _index(rotation: Rotation, zone: ZoneInfo, at: float) -> int:
    """The number of the turn at *at*; negative before the first."""
    days = (datetime.fromtimestamp(at, zone).date() - rotation.start).days
    index = days // rotation.shift_days
    # The day alone does not say whether its handoff has been.
    while _handoff(rotation, zone, index) > at:
        index -= 1
    while _handoff(rotation, zone, index + 1) <= at:
        index += 1
    return index


def _windows(hours: Hours, zone: ZoneInfo, at: float, num_days: int) -> Iterator[tuple[float, float]]:
    """The windows that begin on the local day before *at* or within *num_days* after it."""
    first = datetime.fromtimestamp(at, zone).date() - timedelta(days=1)
    for offset in range(num_days + 1):
        day = first + timedelta(days=offset)
        if day.weekday() in hours.weekdays:
            last_day = day if hours.end > hours.begin else day + timedelta(days=1)
            yield moment(zone, day, hours.begin), moment(zone, last_day, hours.end)


def _counts(hours: Hours, zone: ZoneInfo, at: float) -> bool:
    return any(begin <= at < end for begin, end in _windows(hours, zone, at, 1))


def _edges(schedule: Schedule, after: float) -> Iterator[float]:
    """Moments after *after* at which somebody else may be on call: the next one of each kind is among them."""
    for override in schedule.overrides:
        yield from (edge for edge in (override.begins_at, override.ends_at) if edge > after)
    for rotation in schedule.rotations:
        index = max(_index(rotation, schedule.zone, after) + 1, 0)
        yield _handoff(rotation, schedule.zone, index)
        if rotation.hours is not None:
            windows = _windows(rotation.hours, schedule.zone, after, 9)
            yield from (edge for window in windows for edge in window if edge > after)
