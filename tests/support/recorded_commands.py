"""The commands of people in memory: answers as the real ones do, and keeps what was called by whom."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.alert.silence import Silence
from opsbot.errors import NotFoundError
from opsbot.incident.explanation import Explanation
from opsbot.incident.note import QuotedMessage
from opsbot.incident.view import IncidentView
from opsbot.oncall.turn import Turn
from opsbot.people import Person
from opsbot.runbook.commands import RunRequest
from opsbot.runbook.preview import Preview
from tests.support.recorded_runs import RecordedRuns


class RecordedCommands(RecordedRuns):
    """Implements opsbot.incident.commands.IncidentCommands, and those of runs, over fixed views.

    Args:
        views: the incidents that exist.
        error: raised once by the next command, to see what the person is told.
    """

    def __init__(self, views: Sequence[IncidentView] = (), error: Exception | None = None) -> None:
        self.views = list(views)
        self.error = error
        self.live_silences: tuple[Silence, ...] = ()
        self.turns: tuple[Turn, ...] = ()
        self.explanations: dict[str, Explanation] = {}
        self.requests: list[RunRequest] = []
        self.quoted: list[QuotedMessage] = []
        self.places: dict[tuple[str, str], str] = {}
        self.calls: list[tuple[str, str, str]] = []
        self.previews: dict[str, Preview] = {}

    async def acknowledge(self, incident_id: str, person: Person) -> str:
        self.record("acknowledge", incident_id, person)
        if all(view.incident.incident_id != incident_id for view in self.views):
            raise NotFoundError(f"there is no incident {incident_id}")
        return f"You have {incident_id}."

    async def resolve(self, incident_id: str, reason: str, person: Person) -> str:
        self.record("resolve", f"{incident_id} {reason}", person)
        return f"{incident_id} is resolved."

    async def merge(self, incident_id: str, into: str, person: Person) -> str:
        self.record("merge", f"{incident_id} {into}", person)
        return f"{incident_id} is merged into {into}."

    async def take_apart(self, incident_id: str, person: Person) -> str:
        self.record("take apart", incident_id, person)
        return f"{incident_id} is by itself."

    async def link(self, incident_id: str, other: str, reason: str, person: Person) -> str:
        self.record("link", f"{incident_id} {other} {reason}", person)
        return f"{incident_id} and {other} are linked."

    async def add_note(self, incident_id: str, words: str, person: Person, request_id: str) -> str:
        self.record("note", f"{incident_id} {words}", person)
        return f"Noted in {incident_id}'s timeline."

    async def quote(self, incident_id: str, message: QuotedMessage, person: Person) -> str:
        self.record("quote", f"{incident_id} {message.place}", person)
        self.quoted.append(message)
        return f"Added to {incident_id}'s timeline."

    async def unquote(self, place: str, person: Person) -> str:
        self.record("unquote", place, person)
        return "It is taken off again."

    async def incident_at(self, channel: str, ts: str) -> str | None:
        return self.places.get((channel, ts))

    async def silence(
        self, matchers: Sequence[str], length_s: float, reason: str, person: Person, request_id: str | None = None
    ) -> str:
        self.record("silence", f"{length_s:g} {' '.join(matchers)} {reason}", person)
        return "SIL-1 is set."

    async def end_silence(self, silence_id: str, person: Person) -> str:
        self.record("end silence", silence_id, person)
        return f"{silence_id} is over."

    async def silences(self) -> tuple[Silence, ...]:
        return self.live_silences

    async def on_call(self) -> tuple[Turn, ...]:
        return self.turns

    async def explain(self, about: str) -> Explanation:
        return self.explanations.get(about, Explanation((), ()))

    async def open_incidents(self) -> tuple[IncidentView, ...]:
        return tuple(self.views)

    async def incident(self, incident_id: str) -> IncidentView:
        for view in self.views:
            if view.incident.incident_id == incident_id:
                return view
        raise NotFoundError(f"there is no incident {incident_id}")
