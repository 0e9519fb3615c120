"""A running SlackRole over memory, against whatever speaks Slack's protocol at a URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from opsbot.clock import SystemClock
from opsbot.errors import NotFoundError
from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import IncidentView
from opsbot.people import Person, Role
from opsbot.slack.app import SlackSettings
from opsbot.slack.pictures import Vitals
from opsbot.slack.role import SlackRole
from opsbot.slack.user_groups import UserGroups
from tests.support.outbox import MemoryOutbox
from tests.support.recorded_commands import RecordedCommands


class Core:
    """What outlives a restart of the role: the outbox, the incidents and the timeline."""

    def __init__(self, *views: IncidentView) -> None:
        self.outbox = MemoryOutbox()
        self.commands = RecordedCommands(views)
        self.entries: dict[str, TimelineEntry] = {}

    def show(self, view: IncidentView) -> str:
        """Store *view* as the newest state of its incident and wish that it be shown; answers the item's key."""
        incident_id = view.incident.incident_id
        others = [known for known in self.commands.views if known.incident.incident_id != incident_id]
        self.commands.views = [view, *others]
        return self.outbox.wish("incident_message", incident_id, incident_id)

    def tell(self, entry: TimelineEntry) -> str:
        """Store *entry* and wish that it be shown; answers the item's key."""
        self.entries[entry.key] = entry
        return self.outbox.wish("timeline_entry", entry.key, entry.incident_id)

    def is_all_said(self) -> bool:
        """Whether nothing waits for delivery, now or later."""
        return not self.outbox.due(float("inf"), 1000)

    def view(self, incident_id: str) -> IncidentView:
        """For the role."""
        for view in self.commands.views:
            if view.incident.incident_id == incident_id:
                return view
        raise NotFoundError(f"there is no incident {incident_id}")

    def entry(self, key: str) -> TimelineEntry:
        """For the role."""
        if key not in self.entries:
            raise NotFoundError(f"there is no timeline entry {key}")
        return self.entries[key]


@asynccontextmanager
async def running_role(
    core: Core,
    settings: SlackSettings,
    vitals: Vitals | None = None,
    *,
    groups: UserGroups | None = None,
    person_for: Callable[[str], Person] | None = None,
) -> AsyncIterator[SlackRole]:
    """A role that listens and delivers until the block ends; ids that end in ONCALL and COMMANDER have those roles."""

    def by_ending(user_id: str) -> Person:
        roles: dict[str, Role] = {"ONCALL": "responder", "COMMANDER": "commander"}
        return Person(user_id, frozenset(role for end, role in roles.items() if user_id.endswith(end)))

    role = SlackRole(
        settings,
        core.commands,
        person_for or by_ending,
        core.outbox,
        core.view,
        core.entry,
        SystemClock(),
        core.commands,
        vitals,
        lambda incident_id: core.outbox.wish("incident_message", incident_id, incident_id),
        groups=groups,
    )
    await role.start()
    try:
        yield role
    finally:
        await role.stop()


async def until(is_so: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait until *is_so*; fails the test if that takes longer than *within_s*."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + within_s
    while not is_so():
        if loop.time() > give_up_at:
            pytest.fail(f"still not so after {within_s} s")
        await asyncio.sleep(0.01)
