"""A night of incidents: the real store, role and local workspace, and a wire between them that can be cut.

Time passes by a clock that the test moves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from opsbot.alert.alert import Alert, AlertState
from opsbot.incident.timeline import TimelineEntry
from opsbot.notify.outbox import OutboxItem
from opsbot.people import Person
from opsbot.slack.app import SlackSettings
from opsbot.slack.role import SlackRole
from opsbot.store.backlog import lag_of
from opsbot.store.incidents import IncidentRepository
from opsbot.store.outbox import OutboxRepository
from opsbot.store.views import ViewRepository
from opsbot.workspace.app import Workspace, running
from opsbot.workspace.settings import WorkspaceSettings
from opsbot.workspace.state import Message
from tests.support.alerts import open_database
from tests.support.outbox import ManualClock
from tests.support.recorded_commands import RecordedCommands
from tests.support.relay import Relay, running_relay


class Night:
    """A store, a workspace and the wire between them; the role is started by the test."""

    def __init__(self, folder: Path, workspace: Workspace, relay: Relay) -> None:
        self.database = open_database(folder)
        self.incidents = IncidentRepository(self.database)
        self.workspace, self.relay, self.clock = workspace, relay, ManualClock()
        self._num_entries = 0

    @asynccontextmanager
    async def role(self, outbox: OutboxRepository | None = None) -> AsyncIterator[SlackRole]:
        """A process that delivers until the block ends."""
        commands = RecordedCommands()
        role = SlackRole(
            SlackSettings("xoxb-test", "xapp-test", f"http://127.0.0.1:{self.relay.port}/api/", "incidents"),
            commands,
            lambda user_id: Person(user_id, frozenset()),
            outbox or OutboxRepository(self.database),
            ViewRepository(self.database).view,
            self.incidents.entry,
            self.clock,
            commands,
            lag=lambda: lag_of(self.database, self.clock.now()),
        )
        self.database.on_wish(role.wake)
        await role.start()
        try:
            yield role
        finally:
            await role.stop()

    def alert(self, name: str, severity: str, *, is_over: bool = False) -> None:
        """An alert begins or ends; each name has an incident of its own."""
        state, ends_at = (AlertState.RESOLVED, self.clock.now()) if is_over else (AlertState.FIRING, None)
        labels = {"alertname": name, "cluster": "eu-1", "severity": severity}
        alert = Alert(labels, {"summary": f"{name} on eu-1"}, state, self.clock.now(), ends_at)
        self.incidents.ingest([alert], self.clock.now(), lambda alert: [])

    def entry(self, incident_id: str, text: str, kind: str = "step.acted", *, is_broadcast: bool = False) -> None:
        """Something happens to an incident."""
        self._num_entries += 1
        key = f"{incident_id}:{self._num_entries}"
        self.incidents.add_entry(
            TimelineEntry(key, incident_id, self.clock.now(), "opsbot", kind, text, is_broadcast=is_broadcast)
        )

    def messages(self) -> list[Message]:
        """What stands in the channel, in the order of posting."""
        return self.workspace.state.channels["C0INCIDENTS"].messages

    def said(self) -> list[str]:
        """Which items the messages are, in the order of posting."""
        return [key_of(message) for message in self.messages()]

    async def pass_time(self, seconds: float, *, step_s: float = 1.0) -> None:
        """Let the clock run; the worker gets a moment at each step."""
        for _ in range(round(seconds / step_s)):
            self.clock.advance(step_s)
            await asyncio.sleep(0.01)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Let the clock run until *is_so*; fails after ten minutes of it."""
        for _ in range(1200):
            if is_so():
                return
            await self.pass_time(0.5, step_s=0.5)
        pytest.fail("still not so")

    def is_all_said(self) -> bool:
        """Whether nothing waits."""
        return lag_of(self.database, self.clock.now()).depth == 0

    def text(self, key: str) -> str:
        """What the message of *key* says."""
        return str(next(message["text"] for message in self.messages() if key_of(message) == key))

    def item(self, key: str) -> OutboxItem:
        """The item as stored."""
        item = OutboxRepository(self.database).item(key)
        assert item is not None
        return item


@asynccontextmanager
async def running_night(folder: Path) -> AsyncIterator[Night]:
    """A night with Slack there."""
    async with (
        running(WorkspaceSettings("xoxb-test", "xapp-test", "page", port=0)) as workspace,
        running_relay(urlsplit(workspace.url).port or 0) as relay,
    ):
        night = Night(folder, workspace, relay)
        yield night
        night.database.close()


def key_of(message: Message) -> str:
    """Which item of the outbox *message* is."""
    return str(message["metadata"]["event_payload"]["key"])
