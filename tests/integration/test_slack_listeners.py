"""Buttons, slash commands and the Home tab over a real Socket Mode connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from opsbot.clock import SystemClock
from opsbot.slack.app import SlackSettings, answer_client, build_app
from opsbot.slack.connection import Connection
from tests.support.incident_views import make_approval, make_run, make_view
from tests.support.ports import free_port
from tests.support.slack_role import Core, running_role, until
from tests.support.small_slack import APP_TOKEN, BOT_TOKEN, SmallSlack, small_slack

pytestmark = pytest.mark.integration


@pytest.fixture
async def slack() -> AsyncIterator[SmallSlack]:
    """A peer on a free port."""
    async with small_slack() as peer:
        yield peer


@pytest.fixture
async def core(slack: SmallSlack) -> AsyncIterator[Core]:
    """A connected role whose INC-1 stands in the channel with an open approval."""
    core = Core()
    core.show(make_view(runs=[make_run(approvals=[make_approval(expires_at=SystemClock().now() + 600)])]))
    async with running_role(core, settings(slack)) as role:
        await until(lambda: core.is_all_said() and role.is_connected)
        yield core


def settings(slack: SmallSlack, app_token: str = APP_TOKEN, bot_token: str = BOT_TOKEN) -> SlackSettings:
    """How the bot reaches the peer."""
    return SlackSettings(bot_token, app_token, f"{slack.url}/api/", "incidents")


async def test_a_press_delivered_twice_is_carried_out_once(slack: SmallSlack, core: Core) -> None:
    """Slack sends the same envelope again; the command runs once and the person hears once."""
    await slack.press("U0ONCALL", "approval.refuse", "apr-1", message_ts=slack.messages[0]["ts"], times=2)
    await until(lambda: bool(slack.ephemerals))
    await asyncio.sleep(0.1)
    assert core.commands.calls == [("refuse", "apr-1", "U0ONCALL")]
    assert [(e["user"], e["text"]) for e in slack.ephemerals] == [("U0ONCALL", "Approval apr-1 is recorded.")]


async def test_a_second_press_is_a_second_call(slack: SmallSlack, core: Core) -> None:
    """Whether it may have an effect is for the command to say."""
    for _ in range(2):
        await slack.press("U0ONCALL", "incident.acknowledge", "INC-1", message_ts=slack.messages[0]["ts"])
    await until(lambda: len(slack.ephemerals) == 2)
    assert core.commands.calls == [("acknowledge", "INC-1", "U0ONCALL")] * 2


@pytest.mark.parametrize(
    ("action_id", "value", "call"),
    [
        ("incident.acknowledge", "INC-1", "acknowledge"),
        ("approval.refuse", "apr-1", "refuse"),
    ],
)
async def test_every_button_calls_its_command(
    slack: SmallSlack, core: Core, action_id: str, value: str, call: str
) -> None:
    """With the id that it carries and the person who pressed."""
    await slack.press("U0ONCALL", action_id, value, message_ts=slack.messages[0]["ts"])
    await until(lambda: bool(slack.ephemerals))
    assert core.commands.calls == [(call, value, "U0ONCALL")]


async def test_a_person_without_the_right_is_told_so(slack: SmallSlack, core: Core) -> None:
    """The command's own sentence is the answer."""
    await slack.press("U0STRANGER", "approval.refuse", "apr-1", message_ts=slack.messages[0]["ts"])
    await until(lambda: bool(slack.ephemerals))
    assert slack.ephemerals[0]["text"] == "apr-1 needs a responder"


async def test_an_unforeseen_error_is_told_and_logged(
    slack: SmallSlack, core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits in vain, and the next press works."""
    core.commands.error = RuntimeError("disk full")
    await slack.press("U0ONCALL", "incident.acknowledge", "INC-1", message_ts=slack.messages[0]["ts"])
    await until(lambda: len(slack.ephemerals) == 1)
    await slack.press("U0ONCALL", "incident.acknowledge", "INC-1", message_ts=slack.messages[0]["ts"])
    await until(lambda: len(slack.ephemerals) == 2)
    assert [e["text"] for e in slack.ephemerals] == [
        "That did not work because of an error inside opsbot; its log has the details. Press again to retry.",
        "You have INC-1.",
    ]
    assert "disk full" in caplog.text


async def test_a_button_of_another_version_is_acknowledged(
    slack: SmallSlack, core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    """It does nothing and does not turn until it times out: `press` waits for the acknowledgement."""
    await slack.press("U0ONCALL", "incident.escalate", "INC-1", message_ts=slack.messages[0]["ts"])
    assert core.commands.calls == []
    await until(lambda: "incident.escalate" in caplog.text)


async def test_a_press_on_the_home_tab_is_answered_there(slack: SmallSlack, core: Core) -> None:
    """The tab is shown anew with the answer on top."""
    await slack.press("U0ONCALL", "incident.acknowledge", "INC-1", message_ts=None)
    await until(lambda: bool(slack.homes))
    assert slack.homes[0]["view"]["blocks"][0]["text"]["text"] == "*You have INC-1.*"
    assert slack.ephemerals == []


async def test_opening_the_home_tab_shows_it(slack: SmallSlack, core: Core) -> None:
    """With what waits for this person."""
    await slack.emit({"type": "app_home_opened", "user": "U0ONCALL", "tab": "home"})
    await until(lambda: bool(slack.homes))
    home = slack.homes[0]
    assert home["user_id"] == "U0ONCALL"
    assert "1 waiting for you" in home["view"]["blocks"][0]["text"]["text"]


@pytest.mark.parametrize("event", [{"type": "message", "subtype": "message_changed"}, {"type": "reaction_added"}])
async def test_other_events_are_acknowledged(slack: SmallSlack, core: Core, event: dict[str, str]) -> None:
    """Else Slack would send each of them three times more: `emit` waits for the acknowledgement."""
    await slack.emit({**event, "user": "U0ONCALL", "channel": "C1"})
    assert core.commands.calls == []


async def test_a_slash_command_is_answered_to_its_author_only(slack: SmallSlack, core: Core) -> None:
    """Typed in any channel, even one without the bot."""
    await slack.type("U0ONCALL", "ack 1")
    await until(lambda: bool(slack.responses))
    assert slack.responses == [{"text": "You have INC-1.", "response_type": "ephemeral"}]


async def test_a_slash_command_that_fails_says_why(slack: SmallSlack, core: Core) -> None:
    """The command's own sentence is the answer."""
    await slack.type("U0ONCALL", "ack 9")
    await until(lambda: bool(slack.responses))
    assert slack.responses[0]["text"] == "there is no incident INC-9"


async def test_the_connection_comes_back_after_a_cut(slack: SmallSlack, core: Core) -> None:
    """A press after the reconnection arrives."""
    await slack.cut_sockets()
    await until(lambda: slack.is_connected)
    await slack.press("U0ONCALL", "incident.acknowledge", "INC-1", message_ts=slack.messages[0]["ts"])
    await until(lambda: bool(slack.ephemerals))
    assert core.commands.calls == [("acknowledge", "INC-1", "U0ONCALL")]


@pytest.mark.parametrize(
    ("app_token", "bot_token", "expected"),
    [
        ("xapp-wrong", BOT_TOKEN, "Slack will not open Socket Mode with the app token: invalid_auth"),
        (APP_TOKEN, "xoxb-wrong", "Slack will not sign in with the bot token: invalid_auth"),
    ],
)
async def test_a_wrong_token_is_said_in_one_line(
    slack: SmallSlack, caplog: pytest.LogCaptureFixture, app_token: str, bot_token: str, expected: str
) -> None:
    """The line names the token that is wrong, shows neither, and is not repeated."""
    with caplog.at_level(logging.INFO):
        async with running_role(Core(), settings(slack, app_token, bot_token)) as role:
            await until(lambda: slack.calls.count("auth.test") >= 3)
            assert role.problem is not None
            assert role.problem.startswith(expected)
            assert not role.is_connected
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(lines) == 1
    assert "wrong" not in caplog.text


async def test_the_bot_starts_before_slack_does() -> None:
    """It says what is missing, waits, and is there once Slack is."""
    port = free_port()
    core = Core()
    core.show(make_view())
    async with running_role(
        core, SlackSettings(BOT_TOKEN, APP_TOKEN, f"http://127.0.0.1:{port}/api/", "incidents")
    ) as role:
        await until(lambda: role.problem is not None)
        assert "Slack cannot be reached" in str(role.problem)
        async with small_slack(port) as slack:
            await until(lambda: role.is_connected and core.is_all_said())
            assert role.problem is None
            assert slack.posted() == ["incident:INC-1"]


async def test_an_address_that_is_refused_for_ever_is_given_up(slack: SmallSlack) -> None:
    """The library would try the same address again and again; a new one is asked for instead."""
    # The check of the tokens takes the first address, the connection the second.
    slack.tickets_to_refuse = 2
    client = answer_client(settings(slack))
    connection = Connection(build_app(client), client, APP_TOKEN, SystemClock(), connect_timeout_s=0.5)
    task = asyncio.create_task(connection.run())
    await until(lambda: connection.is_connected)
    assert slack.is_connected
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not connection.is_connected
