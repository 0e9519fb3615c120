"""The verbs that people have over runs, whatever door they use: Slack, the command line, the web API.

One protocol, so that a right is checked and a timeline entry written in one place for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from opsbot.incident.view import RunView
from opsbot.people import Person
from opsbot.runbook.preview import Ask, Preview
from opsbot.runbook.store import Halt, KnobHold


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run that somebody asks for.

    Args:
        cluster: what it is about; empty for the incident's, or none.
        inputs: as they were typed or sent; checked against the runbook.
        incident_id: where it belongs; None opens an incident of its own.
        request_id: the same one again is the same run; letters, digits, `-`, `_`.
    """

    runbook_id: str
    request_id: str
    cluster: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    incident_id: str | None = None


@dataclass(frozen=True, slots=True)
class RunAnswer:
    """What came of asking for a run: one sentence for the person, and the run."""

    message: str
    run: RunView


class RunCommands(Protocol):
    """What people can do with runs. Every call is durable when it returns, and harmless when repeated.

    Each that acts answers one sentence for the person: what happened, and how it is taken back. A run is named by its
    id or handle.

    Raises: NotFoundError; ApprovalError if the person lacks the role; InvalidTransition if it is not possible now;
        ConfigError for what was asked for wrongly.
    """

    async def preview(self, ask: Ask, person: Person) -> Preview:
        """What would happen if *person* did it now, with what is in force as servers say; changes nothing.

        Raises: what doing it would raise, as far as that can be told without doing it.
        """
        ...

    def who_may(self, roles: Sequence[str]) -> tuple[str, ...]:
        """Whoever has one of *roles*, by user id, in alphabetical order."""
        ...

    async def start(self, request: RunRequest, person: Person) -> RunAnswer:
        """Start a runbook by hand."""
        ...

    async def again(self, run_id: str, person: Person, from_step: str | None = None) -> RunAnswer:
        """Repeat a run that makes no further step, perhaps from a later step on."""
        ...

    async def undo(self, run_id: str, person: Person) -> str:
        """Take back what a run has changed and still holds."""
        ...

    async def cancel(self, run_id: str, person: Person, reason: str) -> str:
        """Make no further step, and take back what was set."""
        ...

    async def pause(self, run_id: str, person: Person, reason: str) -> str:
        """Begin nothing until it is resumed; what is held stays."""
        ...

    async def resume(self, run_id: str, person: Person) -> str:
        """Go on with a paused run."""
        ...

    async def skip(self, run_id: str, step_id: str, person: Person, reason: str) -> str:
        """Leave a step out that has not acted."""
        ...

    async def settle(self, run_id: str, step_id: str, has_happened: bool, person: Person) -> str:
        """Say whether an act happened whose outcome is unknown."""
        ...

    async def decide(self, approval_id: str, *, is_granted: bool, person: Person) -> str:
        """Grant or refuse an approval."""
        ...

    async def break_glass(self, approval_id: str, person: Person, reason: str) -> str:
        """Approve alone, against the approval's rules; for commanders, loud, and reviewed afterwards."""
        ...

    async def object(self, announcement_id: str, person: Person, reason: str = "") -> str:
        """Object to what is announced."""
        ...

    async def go_now(self, announcement_id: str, person: Person) -> str:
        """End an announcement's countdown at once."""
        ...

    async def offer_capacity(self, announcement_id: str, person: Person) -> str:
        """Offer capacity; the first offer doubles what is left of the countdown."""
        ...

    async def stop_all(self, person: Person, reason: str) -> str:
        """Let no run change anything by itself."""
        ...

    async def go_on(self, person: Person) -> str:
        """Lift the global stop."""
        ...

    async def hold(self, pattern: str, length_s: float, person: Person, reason: str) -> str:
        """Let no run turn the knobs of `<cluster>/<knob>` for a time."""
        ...

    async def let_go(self, number: int, person: Person) -> str:
        """Lift a hold."""
        ...

    async def runs(self, *, include_finished: bool = False) -> tuple[RunView, ...]:
        """Runs, newest first."""
        ...

    async def run(self, run_id: str) -> RunView:
        """One run."""
        ...

    async def halt(self) -> Halt | None:
        """The global stop in force, if any."""
        ...

    async def holds(self) -> tuple[KnobHold, ...]:
        """Holds in force, oldest first."""
        ...
