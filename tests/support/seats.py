"""A seat over recorded commands, as listeners get it."""

from __future__ import annotations

from typing import Any

from opsbot.people import Person
from opsbot.slack.seat import Seat
from opsbot.slack.work import Work
from tests.support.incident_views import OPENED_AT
from tests.support.outbox import ManualClock
from tests.support.recorded_commands import RecordedCommands


def seat_of(commands: RecordedCommands, **more: Any) -> Seat:
    """Nobody has roles but whoever types; *more* are fields of the seat."""
    return Seat(commands, commands, Person, Work(), lambda: None, ManualClock(OPENED_AT), **more)
