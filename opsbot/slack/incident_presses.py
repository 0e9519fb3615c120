"""What presses about an incident do."""

from __future__ import annotations

from collections.abc import Mapping

from opsbot.people import Person
from opsbot.slack.buttons import ACKNOWLEDGE
from opsbot.slack.press import Answer, Handler, Press
from opsbot.slack.seat import Seat


async def _acknowledge(seat: Seat, press: Press, who: Person) -> Answer:
    return await seat.incidents.acknowledge(press.value, who)


PRESSES: Mapping[str, Handler] = {ACKNOWLEDGE: _acknowledge}
"""By action id."""
