"""What every listener works with: the commands it calls, who somebody is, and where work goes on in the background."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from opsbot.clock import Clock
from opsbot.incident.commands import IncidentCommands
from opsbot.notify.lag import Lag
from opsbot.people import Person
from opsbot.runbook.commands import RunCommands
from opsbot.slack.day_chart import DayChart
from opsbot.slack.quotes import Quotes
from opsbot.slack.seen import Seen
from opsbot.slack.work import Work
from opsbot.spoken.commands import ActCommands
from opsbot.utilisation.commands import LoadTestCommands
from opsbot.utilisation.report import Report
from opsbot.vitals.day import FleetDay
from opsbot.vitals.vitals import Fleet


class FleetReader(Protocol):
    """Reads the fleet in one round of questions, once for all who ask at the same time. Never raises."""

    async def fleet(self) -> Fleet:
        """Every cluster now."""
        ...

    async def before(self) -> Fleet:
        """Every cluster a while ago."""
        ...


class Groups(Protocol):
    """Who is in the user groups that have roles."""

    async def look_again(self) -> None:
        """Somebody without a role wants something: look whether that has changed. Bounded in time; never raises."""
        ...

    def changed(self) -> None:
        """Slack says that a group has changed."""
        ...


@dataclass(frozen=True, slots=True)
class Seat:
    """The on-call seat.

    Args:
        incidents, runs, acts: what buttons, dialogs and slash commands call; rights are checked there.
        person_for: a Slack user id's person, with roles; from memory, at once.
        work: goes on after Slack has its acknowledgement.
        wake: has what changed told at once; may be called from any thread.
        seen: what was taken already, since Slack delivers some things twice.
        lag: how far behind Slack is with what must be said; called in a thread.
        fleet: reads what every cluster does now; None where nothing does.
        day, day_chart: read and draw the fleet's day.
        groups: reads user groups again; None where nobody has a role by one.
        load_tests: what their buttons call; None where none are announced.
        traffic: where requests come from, in sentences and rows; None where nothing reads it.
        quotes: messages that somebody pinned, until they say to which incident they belong.
    """

    incidents: IncidentCommands
    runs: RunCommands
    person_for: Callable[[str], Person]
    work: Work
    wake: Callable[[], None]
    clock: Clock
    seen: Seen = field(default_factory=Seen)
    lag: Callable[[], Lag] = Lag
    acts: ActCommands | None = None
    fleet: FleetReader | None = None
    day: Callable[[], Awaitable[FleetDay | None]] | None = None
    load_tests: LoadTestCommands | None = None
    traffic: Callable[[], Awaitable[Report]] | None = None
    day_chart: DayChart | None = None
    groups: Groups | None = None
    quotes: Quotes = field(default_factory=Quotes)

    async def person(self, user_id: str) -> Person:
        """That person; of somebody without a role, user groups are read again first."""
        who = self.person_for(user_id)
        if who.roles or self.groups is None:
            return who
        await self.groups.look_again()
        return self.person_for(user_id)
