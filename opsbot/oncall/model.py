"""The rota as values: people, schedules of rotations and overrides, and the escalation policies over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from zoneinfo import ZoneInfo

from opsbot.alert.matching import LabelMatch


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of the rota.

    Args:
        name: as the file calls them.
        user_id: their Slack user id, which is what a mention needs.
    """

    name: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Hours:
    """When a rotation counts, in local time.

    Args:
        weekdays: 0 is Monday; a window belongs to the day on which it begins.
        begin, end: from and up to; an end that is not after the beginning is on the next day.
    """

    weekdays: frozenset[int]
    begin: time
    end: time


@dataclass(frozen=True, slots=True)
class Rotation:
    """People who take turns of equal length, one after another.

    Args:
        start: the local day of the first handoff; before it nobody has a turn.
        shift_days: length of a turn in local days, so that a handoff stays at its hour when clocks change.
        handoff: local time of each handoff.
        hours: when it counts; None is always.
    """

    people: tuple[Member, ...]
    start: date
    shift_days: int
    handoff: time
    hours: Hours | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """One person instead of whoever the rotations name; times in seconds since the epoch."""

    member: Member
    begins_at: float
    ends_at: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """Who is on call when: an override first, then the first rotation that counts."""

    schedule_id: str
    zone: ZoneInfo
    rotations: tuple[Rotation, ...]
    overrides: tuple[Override, ...] = ()


class TargetKind(StrEnum):
    """What a level of a policy names."""

    SCHEDULE = "schedule"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a level asks: whoever is on call in a schedule then, or one person (`user_id` is None for a schedule)."""

    kind: TargetKind
    name: str
    user_id: str | None = None

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}"


@dataclass(frozen=True, slots=True)
class Level:
    """Who is asked together, and how many seconds they have before the next level is woken."""

    targets: tuple[Target, ...]
    after_s: float


@dataclass(frozen=True, slots=True)
class EscalationPolicy:
    """Whom an incident wakes, in which order.

    Args:
        match: which incidents, by the labels that their alerts share; None is all.
        severities: which severities; empty is all.
        repeat: how often it begins again after its last level.
    """

    policy_id: str
    match: LabelMatch | None
    severities: frozenset[str]
    levels: tuple[Level, ...]
    repeat: int

    def holds(self, labels: Mapping[str, str], severity: str) -> bool:
        """Whether it is about an incident with these labels and that severity."""
        if self.severities and severity not in self.severities:
            return False
        return self.match is None or self.match.holds(labels)


@dataclass(frozen=True, slots=True)
class Rota:
    """One revision of `oncall.yaml`; `revision` is the SHA-256 of its text in hex, empty where there is no file."""

    revision: str = ""
    schedules: Sequence[Schedule] = ()
    policies: Sequence[EscalationPolicy] = ()

    def policy(self, labels: Mapping[str, str], severity: str) -> EscalationPolicy | None:
        """The first policy that is about such an incident."""
        return next((policy for policy in self.policies if policy.holds(labels, severity)), None)

    def schedule(self, schedule_id: str) -> Schedule | None:
        """The schedule of that id."""
        return next((one for one in self.schedules if one.schedule_id == schedule_id), None)
