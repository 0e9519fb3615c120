"""The state of one incident's escalation, and what happens next. Pure; the store keeps it, core drives it.

The policy is pinned when the escalation begins, so that an edit of the file changes no escalation under way; who is
on call in a schedule is looked up when a level is woken, so that an override counts at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from opsbot.oncall.model import EscalationPolicy, Level, Member, Target, TargetKind
from opsbot.yamlfile import format_duration


class EscalationState(StrEnum):
    """`none`: no policy is about the incident. `paused`: nobody needs to be woken, for now."""

    NONE = "none"
    WAITING = "waiting"
    PAUSED = "paused"
    UNANSWERED = "unanswered"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Plan:
    """A policy as an escalation pins it."""

    policy_id: str
    levels: tuple[Level, ...]
    repeat: int


@dataclass(frozen=True, slots=True)
class Escalation:
    """Where the escalation of one incident stands.

    Args:
        incident_number: 7 for INC-7.
        revision: of the file that the plan was pinned from.
        generation: counts the times that it began: once, and again for each stricter policy.
        turn: how many levels were woken so far, over all rounds.
        severity: of the incident when a policy was last looked for.
        next_at: when the next level is woken, in seconds since the epoch; None unless it waits.
        remaining_s: how much of the deadline was left when it was paused.
        asked: names of who was asked last.
    """

    incident_number: int
    plan: Plan | None
    revision: str
    generation: int
    turn: int
    severity: str
    state: EscalationState
    next_at: float | None = None
    remaining_s: float = 0.0
    asked: tuple[str, ...] = ()

    @property
    def level(self) -> int:
        """The level that was woken last, from 1; 0 before the first."""
        return 0 if self.plan is None or not self.turn else (self.turn - 1) % len(self.plan.levels) + 1

    def pause(self, now: float) -> Escalation:
        """The same, waking nobody; what is left of the deadline is kept."""
        left = 0.0 if self.next_at is None else max(0.0, self.next_at - now)
        return replace(self, state=EscalationState.PAUSED, next_at=None, remaining_s=left)

    def resume(self, now: float) -> Escalation:
        """The same, going on with what was left of its deadline."""
        return replace(self, state=EscalationState.WAITING, next_at=now + self.remaining_s, remaining_s=0.0)


def begin(
    number: int, policy: EscalationPolicy, revision: str, generation: int, severity: str, now: float
) -> Escalation:
    """A new escalation, whose first level is woken at once."""
    plan = Plan(policy.policy_id, policy.levels, policy.repeat)
    return Escalation(number, plan, revision, generation, 0, severity, EscalationState.WAITING, now)


def upcoming(plan: Plan, turn: int) -> Level | None:
    """The level that is woken after *turn* wakes; None when all rounds are over."""
    return plan.levels[turn % len(plan.levels)] if turn < len(plan.levels) * (plan.repeat + 1) else None


@dataclass(frozen=True, slots=True)
class Wake:
    """What one step of an escalation says and leaves; `kind` is the timeline entry's."""

    escalation: Escalation
    kind: str
    text: str


def wake(escalation: Escalation, members: Sequence[Member], about: str, open_for_s: float, now: float) -> Wake:
    """Wake the next level, or say that nobody answered.

    Args:
        members: who the next level's targets mean now; may be empty.
        about: what it is about, such as `INC-7 (critical): Slow on eu-1`; from outside, never read as a mention.
        open_for_s: how long the incident has been open.
    """
    plan = escalation.plan
    assert plan is not None
    level = upcoming(plan, escalation.turn)
    waited = "" if not escalation.turn else f" Nobody has taken it for {format_duration(round(open_for_s))}."
    if level is None:
        rounds = f", {plan.repeat + 1} times over" if plan.repeat else ""
        done = replace(escalation, state=EscalationState.UNANSWERED, next_at=None)
        text = (
            f"Nobody answered: every level of {plan.policy_id} was asked{rounds}, and nobody else will be. "
            f"{about} still waits for somebody"
        )
        return Wake(done, "escalation.unanswered", text)
    turn = escalation.turn + 1
    number, num_levels = escalation.turn % len(plan.levels) + 1, len(plan.levels)
    names = tuple(member.name for member in members)
    woken = replace(escalation, turn=turn, asked=names)
    if not members:
        targets = ", ".join(str(target) for target in level.targets)
        after = "the next level is asked at once" if upcoming(plan, turn) is not None else "there is nobody else to ask"
        text = f"Nobody is on call at level {number} of {num_levels} ({targets}): {after}. {about}"
        return Wake(replace(woken, next_at=now), "escalation.nobody", text)
    deadline = now + level.after_s
    if upcoming(plan, turn) is None:
        then = "nobody else is asked after that"
    else:
        then = f"level {turn % num_levels + 1} is woken then"
    mentions = ", ".join(f"@{member.user_id}" for member in members)
    text = (
        f"{mentions}: please take {about}.{waited} Level {number} of {num_levels}: `/ops ack` within "
        f"{format_duration(level.after_s)}, by {_clock(deadline)}; {then}"
    )
    return Wake(replace(woken, next_at=deadline), "escalation.notified", text)


def to_json(plan: Plan) -> str:
    """A plan as the store keeps it."""
    return json.dumps(
        {
            "policy": plan.policy_id,
            "repeat": plan.repeat,
            "levels": [
                {
                    "after_s": level.after_s,
                    "notify": [[target.kind.value, target.name, target.user_id] for target in level.targets],
                }
                for level in plan.levels
            ],
        },
        sort_keys=True,
    )


def from_json(text: str) -> Plan:
    """The plan that `to_json` wrote."""
    data = json.loads(text)
    return Plan(
        data["policy"],
        tuple(
            Level(
                tuple(Target(TargetKind(kind), name, user_id) for kind, name, user_id in level["notify"]),
                float(level["after_s"]),
            )
            for level in data["levels"]
        ),
        int(data["repeat"]),
    )


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")
