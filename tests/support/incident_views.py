"""Builders of incident views: plausible values, with the part under test given by the caller."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.incident.incident import Incident, IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import ApprovalView, IncidentView, RunView, StepView

OPENED_AT = 1_790_000_000.0
"""2026-09-21 14:13:20 UTC."""


def make_incident(
    state: IncidentState = IncidentState.OPEN,
    *,
    incident_id: str = "INC-1",
    title: str = "KV cache pressure on local",
    description: str = "Sequences are preempted and recomputed.",
    acknowledged_by: str | None = None,
    value: float | None = 0.93127,
    is_blind: bool = False,
    resolved_at: float | None = None,
) -> Incident:
    """An incident of the cluster `local`."""
    return Incident(
        incident_id=incident_id,
        fingerprint="0123456789abcdef",
        episode=1,
        title=title,
        description=description,
        severity="critical",
        labels={"alertname": "KVCachePressure", "cluster": "local", "severity": "critical"},
        state=state,
        opened_at=OPENED_AT,
        updated_at=OPENED_AT,
        acknowledged_by=acknowledged_by,
        resolved_at=resolved_at,
        value=value,
        is_blind=is_blind,
    )


def make_approval(
    approval_id: str = "apr-1",
    *,
    will_do: str = "Resize the batch of local from 32 to 8.",
    undo: str = "By itself within 60 s after the run ends, or with Undo.",
    role: str = "responder",
    expires_at: float = OPENED_AT + 600,
) -> ApprovalView:
    """An approval that is open for ten minutes."""
    return ApprovalView(
        approval_id=approval_id,
        run_id="run-1",
        step_id="smaller_batch",
        will_do=will_do,
        undo=undo,
        role=role,
        digest="d1",
        requested_at=OPENED_AT,
        expires_at=expires_at,
    )


def make_run(
    state: str = "waiting",
    *,
    run_id: str = "run-1",
    name: str = "Relieve KV cache pressure",
    steps: Sequence[StepView] | None = None,
    approvals: Sequence[ApprovalView] = (),
    can_undo: bool = False,
    ended_at: float | None = None,
) -> RunView:
    """A run of the runbook with two steps, the first of which is done."""
    if steps is None:
        steps = (
            StepView("current", "Read the KV cache usage", "prometheus.query", "succeeded", "0.93"),
            StepView("smaller_batch", "Resize the batch", "serving.set_batch", "waiting_approval"),
        )
    return RunView(
        run_id=run_id,
        runbook_id="kv-cache-pressure",
        runbook_name=name,
        state=state,
        detail="",
        steps=tuple(steps),
        approvals=tuple(approvals),
        can_undo=can_undo,
        started_at=OPENED_AT,
        ended_at=ended_at,
    )


def make_view(
    incident: Incident | None = None, runs: Sequence[RunView] = (), timeline: Sequence[TimelineEntry] = ()
) -> IncidentView:
    """What one message shows."""
    return IncidentView(make_incident() if incident is None else incident, tuple(runs), tuple(timeline))


def make_entry(
    key: str = "inc-1:opened",
    text: str = "KV cache pressure on local began.",
    *,
    incident_id: str = "INC-1",
    actor: str = "opsbot",
    kind: str = "incident.opened",
    at: float = OPENED_AT,
    is_broadcast: bool = False,
) -> TimelineEntry:
    """One fact about INC-1."""
    return TimelineEntry(key, incident_id, at, actor, kind, text, is_broadcast)
