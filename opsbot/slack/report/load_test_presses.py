"""What the buttons of a load test do."""

from __future__ import annotations

from collections.abc import Mapping

from opsbot.errors import InvalidTransition
from opsbot.people import Person
from opsbot.slack.press import Answer, Handler, Press
from opsbot.slack.report.blocks import CLOSE, STOP
from opsbot.slack.seat import Seat
from opsbot.utilisation.commands import LoadTestCommands


async def _stop(seat: Seat, press: Press, who: Person) -> Answer:
    return await _tests(seat).stop(int(press.value), who)


async def _close(seat: Seat, press: Press, who: Person) -> Answer:
    return await _tests(seat).close(int(press.value), who)


def _tests(seat: Seat) -> LoadTestCommands:
    if seat.load_tests is None:
        raise InvalidTransition("load tests are not kept here; use the bot's own channel")
    return seat.load_tests


PRESSES: Mapping[str, Handler] = {STOP: _stop, CLOSE: _close}
