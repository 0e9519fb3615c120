"""Rotas as tests need them: a person, a second one, and policies over them with short deadlines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time
from zoneinfo import ZoneInfo

from opsbot.alert.matching import label_match
from opsbot.oncall.model import EscalationPolicy, Level, Member, Rota, Rotation, Schedule, Target, TargetKind

ANNA, BEN, DANA = Member("anna", "U0ANNA"), Member("ben", "U0BEN"), Member("dana", "U0DANA")
AFTER_S = 300.0


def person(member: Member) -> Target:
    """That person, whoever is on call."""
    return Target(TargetKind.PERSON, member.name, member.user_id)


def on_call(schedule_id: str = "serving") -> Target:
    """Whoever is on call in a schedule."""
    return Target(TargetKind.SCHEDULE, schedule_id)


def schedule(*people: Member, schedule_id: str = "serving", start: date = date(1970, 1, 1)) -> Schedule:
    """A day each, from midnight UTC on."""
    return Schedule(schedule_id, ZoneInfo("UTC"), (Rotation(people, start, 1, time(0)),))


def policy(
    *levels: Sequence[Target],
    policy_id: str = "urgent",
    severities: Sequence[str] = (),
    matchers: Sequence[str] = (),
    repeat: int = 0,
) -> EscalationPolicy:
    """Five minutes for each level."""
    return EscalationPolicy(
        policy_id,
        label_match(matchers) if matchers else None,
        frozenset(severities),
        tuple(Level(tuple(targets), AFTER_S) for targets in levels),
        repeat,
    )


def rota(*policies: EscalationPolicy, schedules: Sequence[Schedule] = ()) -> Rota:
    """In force, with one schedule in which anna is on call, unless others are given."""
    return Rota("r1", tuple(schedules) or (schedule(ANNA),), policies)
