"""What a person is shown about an incident: the incident, its runs, its steps, its open approvals and its timeline.

A read-only value that the store assembles; Slack, the CLI and the web API all draw from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opsbot.incident.handle import handle_of
from opsbot.incident.incident import Incident
from opsbot.incident.timeline import TimelineEntry

MOST_ALERTS = 100


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of a run, as people see it. `state` is a value of `opsbot.runbook.run.StepState`."""

    step_id: str
    name: str
    uses: str
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """An approval somebody may still give.

    Args:
        approval_id: single use; the button carries it.
        will_do: rendered sentence: what pressing Approve changes, with current and new value.
        undo: rendered sentence: how it is taken back, and by itself when.
        role: the role that may decide, or several with commas between.
        count: how many people must consent; granted_by have.
        excluded: who asked for the run, and may not approve it.
        digest: of the rendered arguments; a decision is bound to it.
    """

    approval_id: str
    run_id: str
    step_id: str
    will_do: str
    undo: str
    role: str
    digest: str
    requested_at: float
    expires_at: float
    count: int = 1
    granted_by: tuple[str, ...] = ()
    excluded: str | None = None
    on_timeout: str = "abort"


@dataclass(frozen=True, slots=True)
class AnnouncementView:
    """An announcement that somebody may still object to.

    Args:
        ends_at: of the countdown, seconds since the epoch; None before somebody could read the message.
        offers: who has offered capacity.
    """

    announcement_id: str
    run_id: str
    step_id: str
    message: str
    calls_for_capacity: bool
    requested_at: float
    ends_at: float | None
    offers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunView:
    """One run of a runbook. `state` is a value of `opsbot.runbook.run.RunState`.

    Args:
        handle: what people call it: `r-3fa2c1`.
        inputs: that were given; all others are the runbook's defaults.
        follows: the handle of the run that it repeats.
        cluster: what it is about; empty if that is not one cluster.
        is_restricted: whether it asks trust and safety, so that nobody else reads of it in Slack.
    """

    run_id: str
    runbook_id: str
    runbook_name: str
    state: str
    detail: str
    steps: tuple[StepView, ...]
    approvals: tuple[ApprovalView, ...]
    can_undo: bool
    started_at: float
    ended_at: float | None
    announcements: tuple[AnnouncementView, ...] = ()
    requester: str = ""
    is_drill: bool = False
    paused_by: str | None = None
    pause_reason: str | None = None
    incident_id: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    follows: str | None = None
    handle: str = ""
    cluster: str = ""
    is_restricted: bool = False

    def __post_init__(self) -> None:
        if not self.handle:
            object.__setattr__(self, "handle", handle_of(self.run_id))


@dataclass(frozen=True, slots=True)
class HaltView:
    """The global stop that is in force: no run changes anything by itself."""

    reason: str
    created_by: str
    created_at: float


@dataclass(frozen=True, slots=True)
class AlertView:
    """One alert of an incident; times in seconds since the epoch."""

    fingerprint: str
    name: str
    summary: str
    severity: str
    labels: Mapping[str, str]
    is_firing: bool
    starts_at: float
    ends_at: float | None
    value: float | None
    runbook: str | None = None


@dataclass(frozen=True, slots=True)
class LinkView:
    """Another incident that has to do with one, and why."""

    incident_id: str
    title: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class EscalationView:
    """How far an incident's escalation is. `state` is a value of `opsbot.oncall.escalation.EscalationState`.

    Args:
        level: the level that was asked last, from 1, of `num_levels`.
        asked: names of who was asked then.
        next_at: when the next level is woken, in seconds since the epoch; None unless it waits.
    """

    policy_id: str
    state: str
    level: int
    num_levels: int
    asked: tuple[str, ...]
    next_at: float | None


@dataclass(frozen=True, slots=True)
class IncidentView:
    """Everything one message needs.

    Args:
        alerts: those that fire first, then the newest; at most MOST_ALERTS.
        merged: incidents that are dealt with under this one.
        escalation: None where no policy is about it.
        halt: the global stop, while it is in force.
    """

    incident: Incident
    runs: tuple[RunView, ...]
    timeline: tuple[TimelineEntry, ...]
    alerts: tuple[AlertView, ...] = ()
    links: tuple[LinkView, ...] = ()
    merged: tuple[LinkView, ...] = ()
    escalation: EscalationView | None = None
    halt: HaltView | None = None
