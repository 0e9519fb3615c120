"""The verbs that people have, whatever door they use: Slack buttons, slash commands, the CLI and the web API.

One protocol, so that a right is checked and a timeline entry written in one place for all of them.
"""

from __future__ import annotations

from typing import Protocol

from opsbot.incident.view import IncidentView
from opsbot.people import Person


class IncidentCommands(Protocol):
    """What a responder can do. Every call is durable when it returns, and harmless when repeated."""

    async def acknowledge(self, incident_id: str, person: Person) -> str:
        """Take the incident; answers one sentence for the person.

        Raises: NotFoundError, ApprovalError if the person is no responder, InvalidTransition.
        """
        ...

    async def decide(self, approval_id: str, *, is_granted: bool, person: Person) -> str:
        """Grant or refuse an approval; answers one sentence for the person.

        Raises: NotFoundError; ApprovalError if it expired, was decided otherwise, or the person lacks the role.
        """
        ...

    async def undo(self, run_id: str, person: Person) -> str:
        """Take back what a run has changed and still holds; answers one sentence for the person.

        Raises: NotFoundError; ApprovalError if the person is no responder; InvalidTransition if nothing is held.
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
