"""What every listener works with: the commands it calls, who somebody is, and where work goes on in the background."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from opsbot.clock import Clock
from opsbot.incident.commands import IncidentCommands
from opsbot.people import Person
from opsbot.runbook.commands import RunCommands
from opsbot.slack.quotes import Quotes
from opsbot.slack.work import Work
from opsbot.spoken.commands import ActCommands


@dataclass(frozen=True, slots=True)
class Seat:
    """The on-call seat.

    Args:
        incidents, runs, acts: what buttons, dialogs and slash commands call; rights are checked there.
        person_for: a Slack user id's person, with roles.
        work: goes on after Slack has its acknowledgement.
        wake: has what changed told at once; may be called from any thread.
        quotes: messages that somebody pinned, until they say to which incident they belong.
    """

    incidents: IncidentCommands
    runs: RunCommands
    person_for: Callable[[str], Person]
    work: Work
    wake: Callable[[], None]
    clock: Clock
    acts: ActCommands | None = None
    quotes: Quotes = field(default_factory=Quotes)
