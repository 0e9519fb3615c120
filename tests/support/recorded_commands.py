"""The commands of people in memory: answers as the real ones do, and keeps what was called by whom."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.alert.silence import Silence
from opsbot.errors import ApprovalError, NotFoundError
from opsbot.incident.explanation import Explanation
from opsbot.incident.view import IncidentView
from opsbot.people import Person


class RecordedCommands:
    """Implements opsbot.incident.commands.IncidentCommands over fixed views.

    Args:
        views: the incidents that exist.
        error: raised once by the next command, to see what the person is told.
    """

    def __init__(self, views: Sequence[IncidentView] = (), error: Exception | None = None) -> None:
        self.views = list(views)
        self.error = error
        self.live_silences: tuple[Silence, ...] = ()
        self.explanations: dict[str, Explanation] = {}
        self.calls: list[tuple[str, str, str]] = []

    async def acknowledge(self, incident_id: str, person: Person) -> str:
        self._record("acknowledge", incident_id, person)
        if all(view.incident.incident_id != incident_id for view in self.views):
            raise NotFoundError(f"there is no incident {incident_id}")
        return f"You have {incident_id}."

    async def decide(self, approval_id: str, *, is_granted: bool, person: Person) -> str:
        self._record("grant" if is_granted else "refuse", approval_id, person)
        if not person.has("responder"):
            raise ApprovalError(f"{approval_id} needs a responder")
        return f"Approval {approval_id} is recorded."

    async def undo(self, run_id: str, person: Person) -> str:
        self._record("undo", run_id, person)
        return f"Taking back {run_id}."

    async def resolve(self, incident_id: str, reason: str, person: Person) -> str:
        self._record("resolve", f"{incident_id} {reason}", person)
        return f"{incident_id} is resolved."

    async def merge(self, incident_id: str, into: str, person: Person) -> str:
        self._record("merge", f"{incident_id} {into}", person)
        return f"{incident_id} is merged into {into}."

    async def take_apart(self, incident_id: str, person: Person) -> str:
        self._record("take apart", incident_id, person)
        return f"{incident_id} is by itself."

    async def link(self, incident_id: str, other: str, reason: str, person: Person) -> str:
        self._record("link", f"{incident_id} {other} {reason}", person)
        return f"{incident_id} and {other} are linked."

    async def silence(
        self, matchers: Sequence[str], length_s: float, reason: str, person: Person, request_id: str | None = None
    ) -> str:
        self._record("silence", f"{length_s:g} {' '.join(matchers)} {reason}", person)
        return "SIL-1 is set."

    async def end_silence(self, silence_id: str, person: Person) -> str:
        self._record("end silence", silence_id, person)
        return f"{silence_id} is over."

    async def silences(self) -> tuple[Silence, ...]:
        return self.live_silences

    async def explain(self, about: str) -> Explanation:
        return self.explanations.get(about, Explanation((), ()))

    async def open_incidents(self) -> tuple[IncidentView, ...]:
        return tuple(self.views)

    async def incident(self, incident_id: str) -> IncidentView:
        for view in self.views:
            if view.incident.incident_id == incident_id:
                return view
        raise NotFoundError(f"there is no incident {incident_id}")

    def _record(self, verb: str, reference: str, person: Person) -> None:
        self.calls.append((verb, reference, person.user_id))
        if self.error is not None:
            error, self.error = self.error, None
            raise error
