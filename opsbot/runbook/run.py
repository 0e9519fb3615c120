"""Run and step states, with one table of transitions each.

A run is one execution of a pinned runbook revision for one incident; it holds its leases until the incident resolves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

INTERPRETER_VERSION = 1
"""Version of the durable workflow's own step order; recorded on each run, raised when that order changes."""


class RunState(StrEnum):
    """Where a run stands. `holding` is waiting for its incident to end while its leases are renewed."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    HOLDING = "holding"
    UNDOING = "undoing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNDONE = "undone"
    CANCELLED = "cancelled"
    NEEDS_PERSON = "needs_person"


RUN_TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.CANCELLED}),
    RunState.RUNNING: frozenset(
        {
            RunState.WAITING,
            RunState.HOLDING,
            RunState.UNDOING,
            RunState.SUCCEEDED,
            RunState.FAILED,
            RunState.CANCELLED,
            RunState.NEEDS_PERSON,
        }
    ),
    RunState.WAITING: frozenset({RunState.RUNNING, RunState.UNDOING, RunState.CANCELLED, RunState.FAILED}),
    RunState.HOLDING: frozenset({RunState.UNDOING, RunState.SUCCEEDED, RunState.NEEDS_PERSON, RunState.FAILED}),
    RunState.UNDOING: frozenset({RunState.UNDONE, RunState.NEEDS_PERSON}),
    RunState.NEEDS_PERSON: frozenset({RunState.RUNNING, RunState.UNDOING, RunState.CANCELLED}),
    RunState.SUCCEEDED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.UNDONE: frozenset(),
    RunState.CANCELLED: frozenset(),
}


class StepState(StrEnum):
    """Where one step of a run stands."""

    PENDING = "pending"
    WAITING_APPROVAL = "waiting_approval"
    ACTING = "acting"
    VERIFYING = "verifying"
    SUCCEEDED = "succeeded"
    NOT_VERIFIED = "not_verified"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a runbook.

    Args:
        run_id: `run:<runbook>:<fingerprint>:<episode>:<attempt>` of the alert that asked for it.
        labels: those of the alert that asked for it; None for a run from before they were kept: its incident's then.
        revision: digest of the runbook text that this run is pinned to.
        runbook_json: that revision itself, so that an edited or deleted file changes nothing under way.
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

    @property
    def is_finished(self) -> bool:
        return not RUN_TRANSITIONS[self.state]
