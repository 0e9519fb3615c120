"""What runs need of a store: every method commits before it returns, and is called from a thread.

A state, its timeline entry and the wish to show it in Slack are written in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from opsbot.incident.incident import Incident, IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.runbook.run import Run, RunState, StepState

ApprovalState = Literal["open", "granted", "refused", "expired"]


@dataclass(frozen=True, slots=True)
class StepRow:
    """What is known of one step of a run.

    Args:
        prior: the value before the change, stored before it.
        arguments: rendered; arguments_digest is what an approval is bound to.
        lease_id: of what the step holds; lease_released once it was given back.
        idempotency_key: of the change, so that an unknown outcome can be probed.
    """

    step_id: str
    position: int
    name: str
    uses: str
    state: StepState
    detail: str = ""
    prior: Mapping[str, Any] | None = None
    arguments: Mapping[str, Any] | None = None
    arguments_digest: str | None = None
    lease_id: str | None = None
    idempotency_key: str | None = None
    lease_released: bool = False


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """One approval: asked once, decided once."""

    approval_id: str
    run_id: str
    step_id: str
    incident_id: str
    role: str
    will_do: str
    undo: str
    digest: str
    requested_at: float
    expires_at: float
    state: ApprovalState = "open"
    decided_by: str | None = None
    decided_at: float | None = None


class RunStore(Protocol):
    """The durable side of runs."""

    def queued(self) -> tuple[Run, ...]:
        """Runs that nobody has started yet, oldest first."""
        ...

    def run(self, run_id: str) -> Run:
        """One run; raises NotFoundError."""
        ...

    def unfinished(self) -> tuple[Run, ...]:
        """Runs in a state that is not final."""
        ...

    def move_run(
        self, run_id: str, state: RunState, detail: str, now: float, *, entry: TimelineEntry | None = None
    ) -> None:
        """Change a run's state and detail; the same state again only changes the detail.

        Raises: InvalidTransition, NotFoundError.
        """
        ...

    def put_step(self, run_id: str, step: StepRow, now: float, *, entry: TimelineEntry | None = None) -> None:
        """Write what is known of a step."""
        ...

    def steps(self, run_id: str) -> tuple[StepRow, ...]:
        """A run's steps in order."""
        ...

    def request_approval(self, approval: ApprovalRow, now: float, *, entry: TimelineEntry | None = None) -> None:
        """Ask; asking again with the same id changes nothing."""
        ...

    def approval(self, approval_id: str) -> ApprovalRow:
        """One approval; raises NotFoundError."""
        ...

    def decide_approval(
        self, approval_id: str, *, is_granted: bool, user_id: str, now: float, entry: TimelineEntry | None = None
    ) -> ApprovalRow:
        """Decide an open approval; the same decision by the same person again answers the same.

        Raises: ApprovalError if it expired or was decided otherwise; NotFoundError.
        """
        ...

    def expire_approval(self, approval_id: str, now: float, *, entry: TimelineEntry | None = None) -> ApprovalRow:
        """End an open approval that nobody decided; a decided one is answered as it is."""
        ...

    def incident(self, incident_id: str) -> Incident:
        """One incident; raises NotFoundError."""
        ...

    def move_incident(
        self, incident_id: str, state: IncidentState, now: float, *, entry: TimelineEntry | None = None
    ) -> Incident:
        """Change an incident's state; the same state again changes nothing.

        Raises: InvalidTransition, NotFoundError.
        """
        ...

    def add_entry(self, entry: TimelineEntry) -> None:
        """Write a timeline entry; one with the same key is there once."""
        ...
