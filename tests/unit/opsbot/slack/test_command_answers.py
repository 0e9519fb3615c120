"""How an answer to a slash command leaves: a picture is tried twice, and its words are never lost for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest
from slack_bolt.async_app import AsyncRespond
from slack_sdk.models.blocks import DividerBlock
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.people import Person
from opsbot.slack.dialogs.desk import DialogDesk
from opsbot.slack.listeners import commands
from opsbot.slack.seat import Seat
from opsbot.slack.typed import Told, Typed
from tests.support.recorded_commands import RecordedCommands
from tests.support.seats import seat_of


@dataclass
class Sent:
    """What Slack answers."""

    status_code: int


class Responses:
    """Keeps what was sent, and refuses the first *refused* with blocks."""

    def __init__(self, refused: int) -> None:
        self.refused = refused
        self.sent: list[dict[str, Any]] = []

    async def __call__(self, **message: Any) -> Sent:
        self.sent.append(message)
        if message["blocks"] and self.refused:
            self.refused -= 1
            return Sent(400)
        return Sent(200)


@pytest.mark.parametrize(("refused", "has_picture"), [(0, [True]), (1, [True, True]), (2, [True, True, False])])
async def test_a_picture_is_tried_twice(refused: int, has_picture: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack may not be done with a file that was just uploaded."""

    async def answer_to(seat: Seat, typed: Typed) -> Told:
        return Told("The fleet carries 2k tok/min.", [DividerBlock()])

    monkeypatch.setattr(commands, "answer_to", answer_to)
    monkeypatch.setattr(commands, "PICTURE_PAUSE_S", 0.0)
    responses = Responses(refused)
    await commands._respond(
        seat_of(RecordedCommands()),
        Typed("capacity", Person("U1"), thread_ts="1.5"),
        "U1",
        cast(AsyncRespond, responses),
        cast(AsyncWebClient, None),
        cast(DialogDesk, None),
    )
    assert [bool(one["blocks"]) for one in responses.sent] == has_picture
    assert {one["text"] for one in responses.sent} == {"The fleet carries 2k tok/min."}
    assert {(one["response_type"], one["thread_ts"]) for one in responses.sent} == {("ephemeral", "1.5")}
