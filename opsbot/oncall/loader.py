"""`oncall.yaml` to a rota: every problem at once, each with its place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from opsbot.alert.matching import label_match
from opsbot.oncall.model import (
    EscalationPolicy,
    Hours,
    Level,
    Member,
    Override,
    Rota,
    Rotation,
    Schedule,
    Target,
    TargetKind,
)
from opsbot.oncall.wire import (
    WEEKDAYS,
    HoursWire,
    OverrideWire,
    PolicyWire,
    RotationWire,
    RotaWire,
    ScheduleWire,
    to_clock,
)
from opsbot.yamlfile import Document, Location, Problem, load, suggest, validate

_DAYS = {"d": 1, "w": 7}


def load_rota(path: Path, responders: Collection[str] | None = None) -> tuple[Rota | None, list[Problem]]:
    """The rota of one file, or every problem that it has.

    Args:
        responders: user ids that may acknowledge; somebody else in the rota is a problem. None does not look.
    """
    document, problems = load(path)
    if document is None:
        return None, problems
    wire, wrong = validate(document, RotaWire)
    problems += wrong
    if wire is not None:
        problems += _Reader(document, wire).problems(responders)
    if wire is None or problems:
        return None, sorted(set(problems))
    return _rota(wire, document.digest), []


class _Reader:
    """Looks for what the shape alone does not say."""

    def __init__(self, document: Document, wire: RotaWire) -> None:
        self._document = document
        self._wire = wire
        self._found: list[Problem] = []

    def problems(self, responders: Collection[str] | None) -> list[Problem]:
        for kind, ids in (
            ("schedules", [one.id for one in self._wire.schedules]),
            ("policies", [one.id for one in self._wire.policies]),
        ):
            for index, name in enumerate(ids):
                if name in ids[:index]:
                    self._wrong((kind, index, "id"), f"the id {name!r} is here twice; give each one of its own")
        for index, schedule in enumerate(self._wire.schedules):
            self._schedule(index, schedule)
        for index, policy in enumerate(self._wire.policies):
            self._policy(index, policy)
        if responders is not None:
            for name, user_id in self._wire.people.items():
                if user_id not in responders:
                    self._wrong(
                        ("people", name),
                        f"{name} ({user_id}) could not acknowledge: give {user_id} the role responder under `people` "
                        "of the settings file",
                    )
        return self._found

    def _schedule(self, index: int, schedule: ScheduleWire) -> None:
        zone = ZoneInfo(schedule.time_zone)
        for number, rotation in enumerate(schedule.rotations):
            for place, name in enumerate(rotation.people):
                self._is_somebody(name, ("schedules", index, "rotations", number, "people", place))
        taken: list[tuple[float, float, str]] = []
        for number, override in enumerate(schedule.overrides):
            loc: Location = ("schedules", index, "overrides", number)
            self._is_somebody(override.person, (*loc, "person"))
            begins_at, ends_at = _at(override.begin, zone), _at(override.end, zone)
            if ends_at <= begins_at:
                self._wrong((*loc, "to"), f"the override ends at {override.end}, not after its beginning")
            other = next((who for begin, end, who in taken if begin < ends_at and begins_at < end), None)
            if other is not None:
                self._wrong(loc, f"the override of {override.person} overlaps the one of {other}; only one can hold")
            taken.append((begins_at, ends_at, override.person))

    def _policy(self, index: int, policy: PolicyWire) -> None:
        schedules = [schedule.id for schedule in self._wire.schedules]
        for number, level in enumerate(policy.levels):
            for place, text in enumerate(level.notify):
                loc: Location = ("policies", index, "levels", number, "notify", place)
                kind, _, name = text.partition(":")
                if kind == TargetKind.PERSON:
                    self._is_somebody(name, loc)
                elif name not in schedules:
                    self._wrong(loc, f"there is no schedule {name!r}{suggest(name, schedules)}")

    def _is_somebody(self, name: str, loc: Location) -> None:
        if name not in self._wire.people:
            near = suggest(name, self._wire.people)
            self._wrong(loc, f"{name!r} does not stand under `people` of this file{near}")

    def _wrong(self, loc: Sequence[str | int], message: str) -> None:
        self._found.append(self._document.problem(loc, message))


def _rota(wire: RotaWire, revision: str) -> Rota:
    people = {name: Member(name, user_id) for name, user_id in wire.people.items()}
    return Rota(
        revision,
        tuple(_schedule(one, people) for one in wire.schedules),
        tuple(_policy(one, people) for one in wire.policies),
    )


def _schedule(wire: ScheduleWire, people: Mapping[str, Member]) -> Schedule:
    zone = ZoneInfo(wire.time_zone)
    return Schedule(
        wire.id,
        zone,
        tuple(_rotation(one, people) for one in wire.rotations),
        tuple(_overrides(wire.overrides, zone, people)),
    )


def _rotation(wire: RotationWire, people: Mapping[str, Member]) -> Rotation:
    return Rotation(
        tuple(people[name] for name in wire.people),
        date.fromisoformat(wire.start),
        int(wire.shift[:-1]) * _DAYS[wire.shift[-1]],
        to_clock(wire.handoff),
        None if wire.restrict is None else _hours(wire.restrict),
    )


def _hours(wire: HoursWire) -> Hours:
    return Hours(frozenset(WEEKDAYS.index(day) for day in wire.weekdays), to_clock(wire.begin), to_clock(wire.end))


def _overrides(wires: Iterable[OverrideWire], zone: ZoneInfo, people: Mapping[str, Member]) -> Iterable[Override]:
    for wire in wires:
        yield Override(people[wire.person], _at(wire.begin, zone), _at(wire.end, zone))


def _policy(wire: PolicyWire, people: Mapping[str, Member]) -> EscalationPolicy:
    return EscalationPolicy(
        wire.id,
        None if wire.match is None else label_match(wire.match),
        frozenset(wire.severities),
        tuple(Level(tuple(_target(text, people) for text in one.notify), one.after) for one in wire.levels),
        wire.repeat,
    )


def _target(text: str, people: Mapping[str, Member]) -> Target:
    kind, _, name = text.partition(":")
    return Target(TargetKind(kind), name, people[name].user_id if kind == TargetKind.PERSON else None)


def _at(text: str, zone: ZoneInfo) -> float:
    """A local time as seconds since the epoch."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()
