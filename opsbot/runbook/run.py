"""Run and step states, with one table of transitions each.

A run is one execution of a pinned runbook revision for one incident; it holds its leases until the incident resolves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

INTERPRETER_VERSION = 2
"""Version of the durable workflow's own step order; recorded on each run, raised when that order changes."""


class RunState(StrEnum):
    """Where a run stands. `holding` is waiting for its incident to end while its leases are renewed."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    HOLDING = "holding"
    UNDOING = "undoing"
    FINISHING = "finishing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNDONE = "undone"
    CANCELLED = "cancelled"
    NEEDS_PERSON = "needs_person"


_ENDS = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.UNDONE, RunState.CANCELLED})
_AFTER_STEPS = frozenset({RunState.UNDOING, RunState.FINISHING, RunState.NEEDS_PERSON}) | _ENDS

RUN_TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.CANCELLED}),
    RunState.RUNNING: frozenset({RunState.WAITING, RunState.HOLDING}) | _AFTER_STEPS,
    RunState.WAITING: frozenset({RunState.RUNNING, RunState.HOLDING}) | _AFTER_STEPS,
    RunState.HOLDING: _AFTER_STEPS,
    RunState.UNDOING: frozenset({RunState.FINISHING, RunState.UNDONE, RunState.CANCELLED, RunState.NEEDS_PERSON}),
    RunState.NEEDS_PERSON: frozenset({RunState.RUNNING, RunState.UNDOING, RunState.FINISHING, RunState.CANCELLED}),
    # Only the steps under `finally` are left.
    RunState.FINISHING: _ENDS,
    RunState.SUCCEEDED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.UNDONE: frozenset(),
    RunState.CANCELLED: frozenset(),
}


class StepState(StrEnum):
    """Where one step of a run stands."""

    PENDING = "pending"
    WAITING_APPROVAL = "waiting_approval"
    ANNOUNCING = "announcing"
    READY = "ready"
    ACTING = "acting"
    VERIFYING = "verifying"
    SUCCEEDED = "succeeded"
    NOT_VERIFIED = "not_verified"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"
    UNKNOWN = "unknown"


STEP_ENDS = frozenset(
    {StepState.SUCCEEDED, StepState.NOT_VERIFIED, StepState.SKIPPED, StepState.FAILED, StepState.UNDONE}
)
"""What a step does not leave by itself. `unknown` waits for a person who says whether it happened."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a runbook.

    Args:
        run_id: `run:<runbook>:<fingerprint>:<episode>:<attempt>` of the alert that asked for it.
        labels: those of the alert that asked for it; None for a run from before they were kept: its incident's then.
        revision: digest of the runbook text that this run is pinned to.
        runbook_json: that revision itself, so that an edited or deleted file changes nothing under way.
        requester: the person who asked for it; empty for an alert's.
        inputs: values that were given; all others are the runbook's defaults.
        is_drill: whether it rehearses; an incident's run takes its knobs away from it.
        deadline: no step begins later, seconds since the epoch; moves while the run is paused. Of one that holds for a
            stated time: when it gives back.
        paused_by: who has stopped it for now; None unless it is paused.
        follows: the earlier attempt that it repeats, from the step *from_step* on.
        ends_as: the final state, once only the steps under `finally` are left.
    """

    run_id: str
    incident_id: str
    runbook_id: str
    revision: str
    runbook_json: str
    interpreter_version: int
    state: RunState
    detail: str
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    labels: Mapping[str, str] | None = None
    requester: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    is_drill: bool = False
    admitted_at: float | None = None
    deadline: float | None = None
    paused_by: str | None = None
    pause_reason: str | None = None
    follows: str | None = None
    from_step: str | None = None
    ends_as: RunState | None = None

    @property
    def is_finished(self) -> bool:
        return not RUN_TRANSITIONS[self.state]

    @property
    def cluster(self) -> str:
        """The target that cooldowns and limits are about; empty if its alert named none."""
        return (self.labels or {}).get("cluster", "")
