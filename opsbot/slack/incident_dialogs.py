"""Presses about an incident that open a dialog first: Resolve, Hold, Silence."""

from __future__ import annotations

from collections.abc import Mapping

from opsbot.people import Person
from opsbot.rights import require
from opsbot.slack.dialogs.forms import hold_form, silence_form
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.press import Answer, Handler, Press
from opsbot.slack.seat import Seat

RESOLVE = "incident.resolve"
HOLD = "incident.hold"
SILENCE = "incident.silence"


async def _resolve(seat: Seat, press: Press, who: Person) -> Answer:
    return Subject("resolve", press.value, press.channel, press.thread_ts)


async def _hold(seat: Seat, press: Press, who: Person) -> Answer:
    require(who, "responder", "hold a knob")
    view = await seat.incidents.incident(press.value)
    return hold_form(Subject("hold", press.value, press.channel, press.thread_ts), view)


async def _silence(seat: Seat, press: Press, who: Person) -> Answer:
    require(who, "responder", "silence alerts")
    view = await seat.incidents.incident(press.value)
    return silence_form(Subject("silence", press.value, press.channel, press.thread_ts), view)


PRESSES: Mapping[str, Handler] = {RESOLVE: _resolve, HOLD: _hold, SILENCE: _silence}
"""By action id; each button carries the incident's id."""
