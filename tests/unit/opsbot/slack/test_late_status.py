"""`/ops status` says when Slack does not show all that is so."""

from __future__ import annotations

import pytest

from opsbot.errors import OpsbotError
from opsbot.notify.lag import Lag
from opsbot.people import Person
from opsbot.slack.commands import answer_to
from opsbot.slack.typed import Typed
from tests.support.recorded_commands import RecordedCommands
from tests.support.seats import seat_of


def unreadable() -> Lag:
    """The store does not answer."""
    raise OpsbotError("the database cannot be read")


@pytest.mark.parametrize(
    ("lag", "says"),
    [
        (Lag(3, 0.5), False),
        (Lag(14, 720), True),
        (unreadable, False),
    ],
)
async def test_lateness_is_said_and_harms_nothing(lag: object, says: bool) -> None:
    """Only what is worth knowing; a store that cannot be read does not take the rest of the answer away."""
    seat = seat_of(RecordedCommands(), lag=lag if callable(lag) else lambda: lag)
    answer = await answer_to(seat, Typed("status", Person("U0ONCALL")))
    assert isinstance(answer, str)
    assert ("⚠ *What you see here is late:* 14 messages wait, the oldest for 12m" in answer) is says
