"""Messages of people join a timeline: by the message shortcut and by a pin, over Socket Mode and the real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.alerts import firing
from tests.support.slack_role import until
from tests.support.small_core import SmallCore, small_core
from tests.support.small_slack import SmallSlack, small_slack

pytestmark = pytest.mark.integration

TS = "1790000500.000200"
QUOTE = "Name of U0BEN wrote at 2026-09-21 14:21 UTC: “the rack is hot” (https://team.example/archives/{}/p{})"


@pytest.fixture
async def slack() -> AsyncIterator[SmallSlack]:
    """A peer on a free port."""
    async with small_slack() as peer:
        yield peer


@pytest.fixture
async def core(tmp_path: Path, slack: SmallSlack) -> AsyncIterator[SmallCore]:
    """With INC-1 and INC-2, said in the channel."""
    async with small_core(tmp_path, slack) as made:
        await made.desk.ingest([firing("KVCachePressure")])
        await made.all_said()
        await made.desk.ingest([firing("Slow", cluster="eu-2")])
        await made.all_said()
        yield made


def thread_of(core: SmallCore) -> str:
    """INC-1's."""
    return str(core.slack.messages[0]["ts"])


def notes(core: SmallCore, incident_id: str = "INC-1") -> list[tuple[str, str, str]]:
    """What people added to the timeline."""
    return [entry for entry in core.timeline(incident_id) if entry[0].startswith("note.")]


async def test_a_pin_in_the_thread_adds_the_message(core: SmallCore) -> None:
    """With author, time and link; its readers have seen it, so it is not said again there."""
    core.said_by("U0BEN", TS, "the rack is hot", thread_of(core))
    await core.pin("U0ONCALL", TS)
    await until(lambda: bool(core.slack.ephemerals))
    assert core.whispers() == ["Added to INC-1's timeline."]
    assert core.slack.ephemerals[0]["thread_ts"] == thread_of(core)
    assert notes(core) == [("note.quoted", "U0ONCALL", f"Added to the timeline: {QUOTE.format('C0INCIDENTS', TS)}")]
    await core.all_said()
    assert not any("Added to the timeline" in str(message.get("text")) for message in core.slack.messages)


async def test_the_same_message_is_there_once_until_it_is_taken_off(core: SmallCore) -> None:
    """A pin twice, taken off, put on again: each is said, nothing is deleted."""
    core.said_by("U0BEN", TS, "the rack is hot", thread_of(core))
    for is_off in (False, False, True, True, False):
        await core.pin("U0ONCALL", TS, is_off=is_off)
    assert core.whispers() == [
        "Added to INC-1's timeline.",
        "That message is in INC-1's timeline already.",
        "INC-1: the timeline says that the message is taken off again; the entry itself stays.",
        "Added to INC-1's timeline.",
    ]
    assert [kind for kind, _, _ in notes(core)] == ["note.quoted", "note.taken_off", "note.quoted"]
    assert notes(core)[1][2] == f"Taken off the timeline again: {QUOTE.format('C0INCIDENTS', TS)}"


async def test_while_another_pin_is_on_it_the_message_stays(core: SmallCore) -> None:
    """Two people found it worth keeping."""
    message = core.said_by("U0BEN", TS, "the rack is hot", thread_of(core))
    await core.pin("U0ONCALL", TS)
    await until(lambda: bool(core.slack.ephemerals))
    message["reactions"] = [{"name": "pushpin", "users": ["U0COMMANDER"], "count": 1}]
    await core.pin("U0ONCALL", TS, is_off=True)
    message["reactions"] = []
    await core.pin("U0COMMANDER", TS, is_off=True)
    assert len(core.slack.ephemerals) == 2
    assert [actor for _, actor, _ in notes(core)] == ["U0ONCALL", "U0COMMANDER"]


async def test_a_pin_in_the_channel_asks_which_incident(core: SmallCore) -> None:
    """A button, a small dialog, and the message is in the timeline that was chosen, and said in its thread."""
    core.said_by("U0BEN", TS, "the rack is hot")
    await core.pin("U0ONCALL", TS)
    await until(lambda: bool(core.slack.ephemerals))
    button = core.slack.ephemerals[0]["blocks"][1]["elements"][0]
    assert (button["action_id"], button["value"]) == ("note.pick", f"C0INCIDENTS {TS}")
    await core.slack.press("U0ONCALL", "note.pick", button["value"], message_ts="9.9")
    await until(lambda: bool(core.slack.dialogs))
    view = core.dialog()
    options = [option["text"]["text"] for option in view["blocks"][1]["element"]["options"]]
    assert options == ["INC-2 Slow on eu-2", "INC-1 KVCachePressure on eu-1"]
    assert await core.filled("U0ONCALL", view, incident="=INC-2") == "Added to INC-2's timeline."
    assert (notes(core), len(notes(core, "INC-2"))) == ([], 1)
    await core.all_said()
    said = core.slack.messages[-1]
    assert said["text"].startswith("<@U0ONCALL>: Added to the timeline: Name of U0BEN wrote at ")


async def test_a_pin_elsewhere_is_no_word_to_the_bot(core: SmallCore) -> None:
    """People pin for many reasons; so do other reactions mean nothing."""
    core.said_by("U0BEN", TS, "lunch?")
    await core.pin("U0ONCALL", TS, channel="C0GENERAL")
    await core.slack.emit(
        {
            "type": "reaction_added", "user": "U0ONCALL", "reaction": "thumbsup",
            "item": {"type": "message", "channel": "C0INCIDENTS", "ts": TS},
        }
    )  # fmt: skip
    await core.slack.emit(
        {"type": "reaction_added", "user": "U0ONCALL", "reaction": "pushpin", "item": {"type": "file"}}
    )
    await core.pin("U0ONCALL", thread_of(core))
    await core.all_said()
    assert (core.slack.ephemerals, notes(core)) == ([], [])


async def test_the_shortcut_adds_a_message_of_the_thread(core: SmallCore) -> None:
    """Answered to whoever chose it."""
    message = core.said_by("U0BEN", TS, "the rack is hot", thread_of(core))
    await core.shortcut("U0ONCALL", message)
    await until(lambda: bool(core.slack.responses))
    assert core.slack.responses[0] == {"text": "Added to INC-1's timeline.", "response_type": "ephemeral"}
    assert len(notes(core)) == 1


async def test_the_shortcut_elsewhere_asks_which_incident(core: SmallCore) -> None:
    """Of any public channel, though the bot is not in it."""
    message = {"ts": TS, "user": "U0BEN", "text": "the rack is hot"}
    await core.shortcut("U0ONCALL", message, channel="C0GENERAL")
    await until(lambda: bool(core.slack.dialogs))
    view = core.dialog()
    assert "Name of U0BEN: “the rack is hot”" in view["blocks"][0]["text"]["text"]
    assert await core.filled("U0ONCALL", view, incident="=INC-1") == "Added to INC-1's timeline."
    assert notes(core)[0][2] == f"Added to the timeline: {QUOTE.format('C0GENERAL', TS)}"


@pytest.mark.parametrize("door", ["pin", "shortcut"])
async def test_what_is_said_in_a_private_channel_stays_there(core: SmallCore, door: str) -> None:
    """Trust and safety speaks in one; nobody's pin carries it out."""
    core.slack.private.add("C0SAFETY")
    message = core.said_by("U0BEN", TS, "a minor is involved", thread_of(core))
    if door == "shortcut":
        await core.shortcut("U0ONCALL", message, channel="C0SAFETY")
        await until(lambda: bool(core.slack.responses))
        assert "private channels stay there" in core.slack.responses[0]["text"]
    else:
        await core.pin("U0ONCALL", TS, channel="C0SAFETY")
        await core.all_said()
    assert notes(core) == []
    assert "minor" not in str(core.slack.sent)


@pytest.mark.parametrize("where", ["thread", "channel"])
@pytest.mark.parametrize("door", ["pin", "shortcut"])
async def test_only_responders_add_to_a_timeline(core: SmallCore, door: str, where: str) -> None:
    """Others hear who may, and are shown no incident: everybody in the workspace sees the shortcut."""
    message = core.said_by("U0BEN", TS, "the rack is hot", thread_of(core) if where == "thread" else None)
    if door == "shortcut":
        await core.shortcut("U0STRANGER", message)
        await until(lambda: bool(core.slack.responses))
        said = core.slack.responses[0]["text"]
    else:
        await core.pin("U0STRANGER", TS)
        await until(lambda: bool(core.slack.ephemerals))
        said = core.whispers()[0]
    assert "to add to a timeline, the role responder is needed" in said
    assert (notes(core), core.slack.dialogs) == ([], [])


async def test_the_bots_own_message_is_no_news(core: SmallCore) -> None:
    """Its timeline has it already."""
    await core.shortcut("U0ONCALL", core.slack.messages[0])
    await until(lambda: bool(core.slack.responses))
    assert core.slack.responses[0]["text"] == "That is the bot's own message; its timeline has it already."
