"""What a person is shown about an incident: the incident, its runs, its steps, its open approvals and its timeline.

A read-only value that the store assembles; Slack, the CLI and the web API all draw from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from opsbot.incident.incident import Incident
from opsbot.incident.timeline import TimelineEntry


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
        role: the role that may decide.
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


@dataclass(frozen=True, slots=True)
class RunView:
    """One run of a runbook. `state` is a value of `opsbot.runbook.run.RunState`."""

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


@dataclass(frozen=True, slots=True)
class IncidentView:
    """Everything one message needs."""

    incident: Incident
    runs: tuple[RunView, ...]
    timeline: tuple[TimelineEntry, ...]
