"""What runs need of a store: every method commits before it returns, and is called from a thread.

A state, its timeline entry and the wish to show it in Slack are written in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from opsbot.incident.incident import Incident, IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.runbook.admission import Admission, Earlier
from opsbot.runbook.run import Run, RunState, StepState

ApprovalState = Literal["open", "granted", "refused", "expired"]
AnnouncementState = Literal["open", "passed", "objected", "now", "pointless"]


@dataclass(frozen=True, slots=True)
class StepRow:
    """What is known of one step of a run, or of one item of a step with `foreach` (`drain[2]`).

    Args:
        prior: the value before the change, stored before it.
        arguments: rendered; arguments_digest is what an approval is bound to.
        lease_id: of what the step holds; lease_released once it was given back.
        idempotency_key: of the change, so that an unknown outcome can be probed.
        item: of an item's row; of its step's row, all items.
        outputs: what later steps see; None unless it has acted.
        until: when what it is at gives up, seconds since the epoch.
        num_asked: how often its approval was asked for.
        num_done: of a step with `foreach`: so many items are done.
        following: what follows it, once it is over; a value of `opsbot.runbook.result.Next`.
        skipped_by: who has left it out.
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
    item: Any = None
    outputs: Mapping[str, Any] | None = None
    until: float | None = None
    num_asked: int = 0
    num_done: int = 0
    following: str = ""
    skipped_by: str | None = None
    skip_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """One approval: asked once, decided once.

    Args:
        role: one role, or several with commas between: any of them may decide.
        count: how many people must consent; granted_by are those who have.
        on_timeout: `proceed` goes on without a decision.
        excluded: the one who may not decide, since they asked for the run.
        glass_reason: why a commander decided alone, against these rules.
    """

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
    count: int = 1
    on_timeout: str = "abort"
    excluded: str | None = None
    glass_reason: str | None = None
    granted_by: tuple[str, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """Any of these may decide."""
        return tuple(self.role.split(","))


@dataclass(frozen=True, slots=True)
class AnnouncementRow:
    """One announcement: said once, then counted down unless somebody objects.

    Args:
        delivered_at, delivered_by: when and where somebody could read it first; the countdown begins then.
        ends_at: of the countdown; None before it has begun.
        offers: who has offered capacity.
        decided_by: who objected, or said that it should be made now.
    """

    announcement_id: str
    run_id: str
    step_id: str
    incident_id: str
    message: str
    countdown_s: float
    calls_for_capacity: bool
    requested_at: float
    state: AnnouncementState = "open"
    paged_at: float | None = None
    delivered_at: float | None = None
    delivered_by: str | None = None
    ends_at: float | None = None
    offers: tuple[str, ...] = ()
    decided_by: str | None = None
    decided_at: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Halt:
    """The global stop: while it is in force no run changes anything by itself."""

    number: int
    reason: str
    created_by: str
    created_at: float


@dataclass(frozen=True, slots=True)
class KnobHold:
    """A person's hand on some knobs: no run turns them until it is lifted or ends.

    Args:
        pattern: `<cluster>/<knob>`, either of which may be `*`.
    """

    number: int
    pattern: str
    reason: str
    created_by: str
    created_at: float
    ends_at: float


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why a knob cannot be had now, in one sentence; *is_person* if somebody holds it."""

    knob: str
    text: str
    is_person: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """What a step needs before it may act.

    Args:
        clusters: that it touches.
        most_clusters: on how many this runbook may hold something at once; None: any number.
    """

    run: Run
    step_id: str
    knobs: tuple[str, ...]
    clusters: tuple[str, ...] = ()
    most_clusters: int | None = None


@dataclass(frozen=True, slots=True)
class RunCase:
    """A run and all that its steps look at, from one moment."""

    run: Run
    rows: tuple[StepRow, ...]
    incident: Incident
    halt: Halt | None

    def row(self, step_id: str) -> StepRow:
        """The row of a step, or of an item."""
        return next(row for row in self.rows if row.step_id == step_id)


@dataclass(frozen=True, slots=True)
class Change:
    """What one transaction writes about a run; None and empty leave things as they are.

    Args:
        frees_locks: give back the locks of steps that hold nothing.
        is_paged: somebody is paged with the entries, where there is a pager.
        expected: the state that the run must be in; None for any.
    """

    run_id: str
    now: float
    steps: tuple[StepRow, ...] = ()
    state: RunState | None = None
    detail: str | None = None
    deadline: float | None = None
    ends_as: RunState | None = None
    entries: tuple[TimelineEntry, ...] = ()
    approval: ApprovalRow | None = None
    announcement: AnnouncementRow | None = None
    frees_locks: bool = False
    is_paged: bool = False
    expected: RunState | None = None


class RunStore(Protocol):
    """The durable side of runs."""

    def queued(self) -> tuple[Run, ...]:
        """Runs that nobody has started yet, oldest first."""
        ...

    def run(self, run_id: str) -> Run:
        """One run; raises NotFoundError."""
        ...

    def case(self, run_id: str) -> RunCase:
        """A run with its steps and its incident; raises NotFoundError."""
        ...

    def halt(self) -> Halt | None:
        """The global stop in force, if any."""
        ...

    def adopt(self, run_id: str, interpreter_version: int) -> Run:
        """Let another interpreter go on with a run; answers it as it is then."""
        ...

    def unfinished(self) -> tuple[Run, ...]:
        """Runs in a state that is not final."""
        ...

    def admit(
        self,
        run_id: str,
        group: str,
        decide: Callable[[Sequence[Earlier]], Admission],
        say: Callable[[Admission], TimelineEntry | None],
        now: float,
    ) -> Admission:
        """Let *decide* look at the runs of the runbook and of the group, and write what it says, in one transaction.

        Args:
            say: the timeline entry of an admission; somebody is paged with that of a run that is given to a person.

        Raises: NotFoundError.
        """
        ...

    def commit(self, change: Change) -> None:
        """Write everything of *change*, or nothing.

        Raises: InvalidTransition, NotFoundError.
        """
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

    def claim(self, claim: Claim, now: float) -> tuple[Blocker, ...]:
        """Take every lock of *claim*, or none and answer why; a drill that has one is told to give it back."""
        ...

    def approval(self, approval_id: str) -> ApprovalRow:
        """One approval; raises NotFoundError."""
        ...

    def close_approval(self, approval_id: str, now: float, *, entry: TimelineEntry | None = None) -> ApprovalRow:
        """End an open approval without a decision of its people; a decided one is answered as it is."""
        ...

    def announcement(self, announcement_id: str) -> AnnouncementRow:
        """One announcement; raises NotFoundError."""
        ...

    def put_announcement(
        self, was: AnnouncementRow, row: AnnouncementRow, *, entry: TimelineEntry | None = None
    ) -> AnnouncementRow:
        """Write what is known of an announcement, if it is still as it *was*; answers it as it is then."""
        ...

    def delivery(self, entry_key: str) -> Literal["slack", "page"] | None:
        """Where a timeline entry could be read first; None while it could not."""
        ...

    def page_entry(self, entry: TimelineEntry) -> bool:
        """Page somebody with an entry's text; answers whether there is a pager at all."""
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
