"""The slash command `/ops`."""

from __future__ import annotations

import pytest

from opsbot.errors import ConfigError, NotFoundError
from opsbot.people import Person
from opsbot.slack.commands import answer_to
from opsbot.slack.helping import help_text
from opsbot.slack.typed import Typed
from tests.support.incident_views import make_approval, make_run, make_view
from tests.support.recorded_commands import RecordedCommands
from tests.support.seats import seat_of

RESPONDER = Person("U0ONCALL", frozenset({"responder"}))
STRANGER = Person("U0STRANGER")


async def answer(commands: RecordedCommands, text: str, person: Person) -> str:
    """What `/ops <text>` answers, without Slack around it."""
    found = await answer_to(seat_of(commands), Typed(text, person))
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("text", ["ack INC-1", "ack inc-1", "ACK 1", "acknowledge  INC1", "ack inc 1"])
async def test_an_incident_is_taken_however_its_number_is_typed(text: str) -> None:
    """Case, dash and prefix do not matter under pressure."""
    commands = RecordedCommands([make_view()])
    assert await answer(commands, text, RESPONDER) == "You have INC-1."
    assert commands.calls == [("acknowledge", "INC-1", "U0ONCALL")]


async def test_ack_without_a_number_takes_nothing() -> None:
    """It asks which one, and names those that are open."""
    commands = RecordedCommands([make_view()])
    with pytest.raises(ConfigError, match=r"which incident\? `/ops ack INC-1` takes one; open now: INC-1"):
        await answer(commands, "ack", RESPONDER)
    assert commands.calls == []


async def test_an_unknown_incident_is_an_error_for_the_person() -> None:
    """The command's own sentence says so."""
    with pytest.raises(NotFoundError, match="there is no incident INC-7"):
        await answer(RecordedCommands(), "ack 7", RESPONDER)


@pytest.mark.parametrize(
    ("text", "suggested"), [("stauts", "status"), ("incidnets", "incidents"), ("akc 1", "ack 1"), ("halp", "help")]
)
async def test_a_word_that_is_nearly_ours_is_suggested(text: str, suggested: str) -> None:
    """It is named and not carried out."""
    commands = RecordedCommands([make_view()])
    said = await answer(commands, text, RESPONDER)
    assert said.startswith(f"There is no `{text.split()[0]}`; did you mean `/ops {suggested}`?")
    assert commands.calls == []


async def test_a_word_that_is_nothing_of_ours_gets_the_help() -> None:
    """And cannot mention anybody in the answer."""
    said = await answer(RecordedCommands(), "<!everyone>", RESPONDER)
    assert said == f"There is no `!everyone`. Nothing was done.\n{help_text()}"


async def test_status_names_what_waits_for_this_person() -> None:
    """Only people who may decide are told that something waits for them."""
    commands = RecordedCommands([make_view(runs=[make_run(approvals=[make_approval()])])])
    assert (await answer(commands, "", RESPONDER)).splitlines()[-1] == (
        "Waits for you in INC-1: Resize the batch of local from 32 to 8."
    )
    assert "Waits for you" not in await answer(commands, "status", STRANGER)


async def test_incidents_lists_runs_and_steps() -> None:
    """Each open incident with what the bot is doing about it."""
    said = await answer(RecordedCommands([make_view(runs=[make_run()])]), "incidents", STRANGER)
    assert said.splitlines()[0] == "*🔴 INC-1 KV cache pressure on local*"
    assert said.splitlines()[2:] == [
        "*Relieve KV cache pressure* `r-4e65d3`: waiting",
        "✓  Read the KV cache usage · 0.93",
        "◔  Resize the batch · waits for approval",
    ]


@pytest.mark.parametrize("text", ["", "status", "incidents"])
async def test_a_quiet_day_is_said_plainly(text: str) -> None:
    """No empty answer."""
    assert await answer(RecordedCommands(), text, STRANGER) == "Nothing is open."
