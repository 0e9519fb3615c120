"""Messages reach the channel exactly once over a real connection that is cut, limited and restarted."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from opsbot.incident.incident import IncidentState
from opsbot.notify.outbox import OutboxState
from opsbot.slack.app import SlackSettings
from tests.support.incident_views import make_entry, make_incident, make_view
from tests.support.slack_role import Core, running_role, until
from tests.support.small_slack import APP_TOKEN, BOT_TOKEN, CHANNEL, CUT_AFTER, CUT_BEFORE, SmallSlack, small_slack

pytestmark = pytest.mark.integration


@pytest.fixture
async def slack() -> AsyncIterator[SmallSlack]:
    """A peer on a free port."""
    async with small_slack() as peer:
        yield peer


def settings(slack: SmallSlack) -> SlackSettings:
    """How the bot reaches the peer."""
    return SlackSettings(BOT_TOKEN, APP_TOKEN, f"{slack.url}/api/", "incidents")


async def test_an_incident_and_its_thread_stand_in_the_channel(slack: SmallSlack) -> None:
    """One message in the channel, replies below it, broadcasts as such."""
    core = Core()
    core.show(make_view())
    core.tell(make_entry("e1", "It began."))
    core.tell(make_entry("e2", "It is mitigated.", is_broadcast=True))
    async with running_role(core, settings(slack)):
        await until(core.is_all_said)
    page, first, second = slack.messages
    assert (page["channel"], page["text"]) == (
        CHANNEL,
        (
            "Critical: KV cache pressure on local (INC-1, open). "
            "Needs a person: the bot does nothing by itself, and nobody has it yet."
        ),
    )
    assert [(m["text"], m["thread_ts"], m.get("reply_broadcast")) for m in (first, second)] == [
        ("It began.", page["ts"], None),
        ("It is mitigated.", page["ts"], True),
    ]


async def test_a_change_edits_the_message_in_place(slack: SmallSlack) -> None:
    """There is still one message, and it shows the newest state."""
    core = Core()
    core.show(make_view())
    async with running_role(core, settings(slack)) as role:
        await until(core.is_all_said)
        core.show(make_view(make_incident(IncidentState.ACKNOWLEDGED, acknowledged_by="U0ONCALL")))
        role.wake()
        await until(core.is_all_said)
    assert len(slack.messages) == 1
    assert slack.messages[0]["text"] == (
        "Critical: KV cache pressure on local (INC-1, acknowledged). "
        "In hand: a person has it; the bot does nothing by itself."
    )
    assert slack.calls.count("chat.postMessage") == 1


@pytest.mark.parametrize("cut", [CUT_AFTER, CUT_BEFORE])
async def test_a_cut_answer_leaves_one_message(slack: SmallSlack, cut: str) -> None:
    """Whether or not the post was applied before the connection broke, one message stands in the end."""
    slack.faults["chat.postMessage"] = [cut]
    core = Core()
    core.show(make_view())
    async with running_role(core, settings(slack)):
        await until(core.is_all_said)
    assert slack.posted() == ["incident:INC-1"]
    assert slack.calls.count("conversations.history") == 1


async def test_a_cut_answer_leaves_one_reply(slack: SmallSlack) -> None:
    """A reply is looked for in its thread before it is posted again."""
    core = Core()
    core.show(make_view())
    async with running_role(core, settings(slack)) as role:
        await until(core.is_all_said)
        slack.faults["chat.postMessage"] = [CUT_AFTER]
        core.tell(make_entry("e1"))
        core.tell(make_entry("e2"))
        role.wake()
        await until(core.is_all_said)
    assert slack.posted() == ["incident:INC-1", "timeline:e1", "timeline:e2"]


async def test_a_restart_between_posting_and_recording_leaves_one_message(slack: SmallSlack) -> None:
    """The first process dies before it hears of its post; the next one finds it and shows the newest state there."""
    slack.faults["chat.postMessage"] = [CUT_AFTER]
    core = Core()
    key = core.show(make_view())
    async with running_role(core, settings(slack)):
        await until(lambda: len(slack.messages) == 1)
    item = core.outbox.item(key)
    assert item is not None
    assert (item.state, item.ts) == (OutboxState.SENDING, None)
    core.show(make_view(make_incident(IncidentState.MITIGATED)))
    async with running_role(core, settings(slack)):
        await until(core.is_all_said)
    assert slack.posted() == ["incident:INC-1"]
    assert slack.messages[0]["text"].startswith("Critical: KV cache pressure on local (INC-1, mitigated)")


async def test_a_rate_limit_is_waited_out(slack: SmallSlack) -> None:
    """429 twice, then one message."""
    slack.faults["chat.postMessage"] = [429, 429]
    core = Core()
    core.show(make_view())
    async with running_role(core, settings(slack)):
        await until(core.is_all_said)
    assert slack.posted() == ["incident:INC-1"]
    assert slack.calls.count("conversations.history") == 0


async def test_a_server_error_is_looked_up(slack: SmallSlack) -> None:
    """After a 500 the message may stand or not, so it is looked for first."""
    slack.faults["chat.postMessage"] = [500]
    core = Core()
    core.show(make_view())
    async with running_role(core, settings(slack)):
        await until(core.is_all_said)
    assert slack.posted() == ["incident:INC-1"]
    assert slack.calls.count("conversations.history") == 1


async def test_a_deleted_message_is_posted_afresh_with_its_thread(slack: SmallSlack) -> None:
    """Somebody deleted it: the next reply brings it back."""
    core = Core()
    core.show(make_view())
    async with running_role(core, settings(slack)) as role:
        await until(core.is_all_said)
        slack.delete(slack.messages[0]["ts"])
        core.tell(make_entry("e1"))
        role.wake()
        await until(core.is_all_said)
    assert slack.posted() == ["incident:INC-1", "timeline:e1"]
    assert slack.messages[1]["thread_ts"] == slack.messages[0]["ts"]


async def test_another_apps_message_is_not_taken_for_ours(slack: SmallSlack) -> None:
    """A message with our key that we did not post does not silence the page."""
    slack.messages.append(
        {
            "ts": "1790000000.000001",
            "user": "U0OTHERBOT",
            "text": "mine",
            "metadata": {"event_type": "opsbot", "event_payload": {"key": "incident:INC-1"}},
        }
    )
    core = Core()
    core.outbox.mark_sending(core.show(make_view()))
    async with running_role(core, settings(slack)):
        await until(core.is_all_said)
    assert [message["user"] for message in slack.messages] == ["U0OTHERBOT", "U0BOT"]


async def test_the_bot_joins_a_public_channel_by_itself(slack: SmallSlack) -> None:
    """The first page is not lost because nobody invited the bot."""
    slack.is_bot_member = False
    core = Core()
    core.show(make_view())
    async with running_role(core, settings(slack)):
        await until(core.is_all_said)
    assert slack.posted() == ["incident:INC-1"]


async def test_thirty_incidents_at_once_are_all_paged_once(slack: SmallSlack) -> None:
    """Pages do not wait for one another's threads; twenty go out at once, the others one by one."""
    core = Core()
    for number in range(1, 31):
        core.show(make_view(make_incident(incident_id=f"INC-{number}")))
        core.tell(make_entry(f"e{number}", incident_id=f"INC-{number}"))
    async with running_role(core, settings(slack)):
        await until(lambda: sum("thread_ts" not in message for message in slack.messages) >= 20, within_s=5)
        await until(lambda: sum("thread_ts" not in message for message in slack.messages) == 30, within_s=20)
    pages = [key for key in slack.posted() if key.startswith("incident:")]
    assert sorted(pages) == sorted(f"incident:INC-{number}" for number in range(1, 31))
