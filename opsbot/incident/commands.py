"""The verbs that people have over incidents, whatever door they use: Slack, the command line, the web API.

One protocol, so that a right is checked and a timeline entry written in one place for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from opsbot.alert.silence import Silence
from opsbot.incident.explanation import Explanation
from opsbot.incident.note import QuotedMessage
from opsbot.incident.view import IncidentView
from opsbot.oncall.turn import Turn
from opsbot.people import Person


class IncidentCommands(Protocol):
    """What a responder can do. Every call is durable when it returns, and harmless when repeated."""

    async def acknowledge(self, incident_id: str, person: Person) -> str:
        """Take the incident; answers one sentence for the person.

        Raises: NotFoundError, ApprovalError if the person is no responder, InvalidTransition.
        """
        ...

    async def resolve(self, incident_id: str, reason: str, person: Person) -> str:
        """End an incident by hand; answers one sentence for the person.

        Raises: NotFoundError; ApprovalError; InvalidTransition while an alert of it fires that no silence hides.
        """
        ...

    async def merge(self, incident_id: str, into: str, person: Person) -> str:
        """Deal with an incident under another; answers one sentence for the person.

        Raises: NotFoundError, ApprovalError, InvalidTransition.
        """
        ...

    async def take_apart(self, incident_id: str, person: Person) -> str:
        """Undo a merge; answers one sentence for the person.

        Raises: NotFoundError, ApprovalError, InvalidTransition.
        """
        ...

    async def link(self, incident_id: str, other: str, reason: str, person: Person) -> str:
        """Link two incidents; answers one sentence for the person.

        Raises: NotFoundError, ApprovalError, InvalidTransition.
        """
        ...

    async def add_note(self, incident_id: str, words: str, person: Person, request_id: str) -> str:
        """Add the person's words to the timeline; answers one sentence for the person.

        Args:
            request_id: the same one again is the same note.

        Raises: NotFoundError; ApprovalError; ConfigError for no words, or too many.
        """
        ...

    async def quote(self, incident_id: str, message: QuotedMessage, person: Person) -> str:
        """Add somebody's message to the timeline, once; answers one sentence for the person.

        Raises: NotFoundError, ApprovalError.
        """
        ...

    async def unquote(self, place: str, person: Person) -> str:
        """Say in each timeline that has a message that it is taken off; answers one sentence, empty if none has it.

        Raises: ApprovalError.
        """
        ...

    async def incident_at(self, channel: str, ts: str) -> str | None:
        """The id of the incident that the message there is ours about; None for anybody else's message."""
        ...

    async def silence(
        self, matchers: Sequence[str], length_s: float, reason: str, person: Person, request_id: str | None = None
    ) -> str:
        """Let matching alerts open nothing for a time; answers one sentence for the person.

        Args:
            request_id: the same one again is the same silence.

        Raises: ApprovalError; ConfigError if it may not be as asked for.
        """
        ...

    async def end_silence(self, silence_id: str, person: Person) -> str:
        """End a silence before its time; answers one sentence for the person.

        Raises: NotFoundError, ApprovalError, InvalidTransition.
        """
        ...

    async def silences(self) -> tuple[Silence, ...]:
        """Every silence that is live, newest first."""
        ...

    async def on_call(self) -> tuple[Turn, ...]:
        """Who is on call now, one for each schedule."""
        ...

    async def explain(self, about: str) -> Explanation:
        """What was decided about an incident's id, an alert's name or a fingerprint.

        Raises: NotFoundError.
        """
        ...

    async def open_incidents(self) -> tuple[IncidentView, ...]:
        """Every incident that is not resolved, newest first."""
        ...

    async def incident(self, incident_id: str) -> IncidentView:
        """One incident.

        Raises: NotFoundError.
        """
        ...
