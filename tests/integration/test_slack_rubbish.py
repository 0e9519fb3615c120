"""What no client of Slack's sends: every door acknowledges it, nothing is carried out, and the next press works."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from opsbot.clock import SystemClock
from opsbot.errors import NotFoundError
from opsbot.slack.app import SlackSettings
from opsbot.slack.dialogs.plan import CALLBACK
from opsbot.slack.forms import FORM
from opsbot.store.database import StoreError
from tests.support.incident_views import make_approval, make_run, make_view
from tests.support.slack_role import Core, running_role, until
from tests.support.small_slack import APP_TOKEN, BOT_TOKEN, CHANNEL, SmallSlack, small_slack

pytestmark = pytest.mark.integration

USER = {"id": "U0ONCALL"}
MESSAGE = {"type": "message", "message_ts": "1.1", "channel_id": CHANNEL}
ACKNOWLEDGE = {"type": "button", "action_id": "incident.acknowledge", "block_id": "b", "value": "INC-1"}
BAD_STATES: tuple[Any, ...] = (None, [], {"values": None}, {"values": {"reason": None}}, {"values": {"r": {"r": 7}}})
BAD_METADATA = (
    "",
    "[" * 2900,
    "7",
    json.dumps({"verb": ["approve"], "reference": "apr-1"}),
    json.dumps({"verb": "approve", "reference": {"id": 1}}),
    json.dumps({"verb": "approve", "reference": "apr-1", "channel": 7}),
    json.dumps({"verb": "start", "reference": "x", "request": "all of them"}),
    json.dumps({"verb": "approve", "reference": "apr-1", "is_allowed": True}),
)


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
    async with running_role(core, SlackSettings(BOT_TOKEN, APP_TOKEN, f"{slack.url}/api/", "incidents")) as role:
        await until(lambda: core.is_all_said() and role.is_connected)
        yield core


async def still_works(slack: SmallSlack, core: Core) -> None:
    """The next press is carried out and answered."""
    core.commands.calls.clear()
    slack.ephemerals.clear()
    await slack.press("U0ONCALL", "incident.acknowledge", "INC-1", message_ts=slack.messages[0]["ts"])
    await until(lambda: bool(slack.ephemerals))
    assert core.commands.calls == [("acknowledge", "INC-1", "U0ONCALL")]


@pytest.mark.parametrize(
    "body",
    [
        {"user": USER, "container": MESSAGE, "actions": [{"type": "button", "action_id": "x.y"}]},
        {"user": {}, "container": MESSAGE, "actions": [ACKNOWLEDGE]},
        {"user": USER, "container": None, "channel": None, "message": None, "actions": [ACKNOWLEDGE]},
        {"user": USER, "container": MESSAGE, "actions": [{**ACKNOWLEDGE, "value": None, "selected_option": None}]},
        {"user": USER, "container": MESSAGE, "actions": [{**ACKNOWLEDGE, "value": "INC-1\x00" * 5000}]},
        {"user": USER, "container": MESSAGE, "actions": [{**ACKNOWLEDGE, "action_id": "incident.menu", "value": "‮🔥"}]},
    ],
)
async def test_a_press_out_of_form_is_acknowledged(slack: SmallSlack, core: Core, body: Mapping[str, Any]) -> None:
    """`send` fails where no acknowledgement comes within three seconds."""
    await slack.send("interactive", {"type": "block_actions", "team": {"id": "T1"}, "trigger_id": "t-x", **body})
    await still_works(slack, core)


@pytest.mark.parametrize("callback_id", [CALLBACK, FORM, "opsbot.dialog", "opsbot.incident", "ops.menu", "no.such"])
async def test_a_dialog_without_its_fields_is_acknowledged(slack: SmallSlack, core: Core, callback_id: str) -> None:
    """Nothing is done that was not filled in."""
    metadata = json.dumps({"verb": "resolve", "reference": "INC-1", "channel": CHANNEL})
    for number, state in enumerate(BAD_STATES):
        view = {"id": f"V9{number}", "callback_id": callback_id, "private_metadata": metadata, "state": state}
        await slack.send("interactive", submission(view))
    assert core.commands.calls == []
    await still_works(slack, core)


@pytest.mark.parametrize("callback_id", [CALLBACK, FORM, "opsbot.dialog", "opsbot.incident", "ops.menu"])
async def test_a_dialog_with_metadata_that_is_none_of_ours_does_nothing(
    slack: SmallSlack, core: Core, callback_id: str
) -> None:
    """Whatever came back in it."""
    for number, metadata in enumerate(BAD_METADATA):
        view = {"id": f"V9{number}", "callback_id": callback_id, "private_metadata": metadata}
        await slack.send("interactive", submission({**view, "state": {"values": {}}}))
    assert core.commands.calls == []
    await still_works(slack, core)


async def test_metadata_gives_no_right(slack: SmallSlack, core: Core) -> None:
    """A stranger who sends back another person's dialog is asked for the role like anybody."""
    await slack.press("U0ONCALL", "approval.grant", "apr-1", message_ts=slack.messages[0]["ts"])
    await until(lambda: bool(slack.views))
    view = next(iter(slack.views.values()))
    await slack.send("interactive", submission({**view, "state": {"values": {}}}, user="U0STRANGER"))
    await until(lambda: "Nothing was done" in json.dumps(slack.views[view["id"]]))
    assert core.commands.calls == []


@pytest.mark.parametrize(
    "text", ["x" * 5000, "🔥" * 900, "‮kca‬ INC-1", "a\x00ck\x00 INC-77", "1:" * 900, "`<!channel>`"]
)
async def test_a_command_of_rubbish_is_answered(slack: SmallSlack, core: Core, text: str) -> None:
    """With a sentence that says what to type, and never with a mention."""
    await slack.type("U0ONCALL", text)
    await until(lambda: bool(slack.responses))
    said = slack.responses[0]["text"]
    assert "<!" not in said
    assert "/ops" in said or "write" in said or "there is no" in said


async def test_a_command_without_a_person_or_an_address_is_acknowledged(slack: SmallSlack, core: Core) -> None:
    """There is nobody to tell."""
    await slack.send("slash_commands", {"command": "/ops", "text": "status", "team_id": "T1"})
    await still_works(slack, core)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "app_home_opened"},
        {"type": "app_home_opened", "user": None, "tab": 7},
        {"type": "reaction_added", "reaction": "pushpin", "item": None},
        {"type": "reaction_added", "reaction": "pushpin", "item": {"type": "message"}, "user": ""},
        {"type": "reaction_removed", "reaction": ["pushpin"], "item": {"type": "file"}},
    ],
)
async def test_an_event_out_of_form_is_acknowledged(
    slack: SmallSlack, core: Core, event: Mapping[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """And leaves no stack trace."""
    await slack.emit(event)
    await still_works(slack, core)
    assert not [record for record in caplog.records if record.exc_info and record.levelno >= logging.ERROR]


async def test_what_is_done_is_told_as_done_though_its_run_cannot_be_read(slack: SmallSlack, core: Core) -> None:
    """A person who reads that nothing was done presses again."""

    async def unreadable(run_id: str) -> Any:
        raise StoreError("the database cannot be read: disk I/O error")

    await slack.press("U0ONCALL", "approval.grant", "apr-1", message_ts=slack.messages[0]["ts"])
    await until(lambda: bool(slack.views))
    core.commands.run = unreadable  # type: ignore[method-assign]
    view_id = next(iter(slack.views))
    await slack.submit("U0ONCALL", view_id)
    await until(lambda: "Approved." in json.dumps(slack.views[view_id]))
    assert core.commands.calls == [("grant", "apr-1", "U0ONCALL")]


async def test_an_outcome_whose_dialog_does_not_open_is_told_in_the_channel(slack: SmallSlack, core: Core) -> None:
    """It was done: `press again` would do it twice."""
    slack.faults["views.open"] = ["expired_trigger_id"]
    metadata = json.dumps({"verb": "ack", "channel": CHANNEL, "thread_ts": "1.1"})
    state = {"values": {"name": {"name": {"type": "static_select", "selected_option": {"value": "INC-1"}}}}}
    view = {"id": "V9", "callback_id": FORM, "private_metadata": metadata, "state": state}
    await slack.send("interactive", submission(view))
    await until(lambda: bool(slack.ephemerals))
    assert core.commands.calls == [("acknowledge", "INC-1", "U0ONCALL")]
    (said,) = slack.ephemerals
    assert (said["text"], said["channel"], said["thread_ts"]) == ("You have INC-1.", CHANNEL, "1.1")


async def test_a_press_on_a_home_tab_that_cannot_be_made_is_answered_all_the_same(
    slack: SmallSlack, core: Core
) -> None:
    """With the answer and with why the rest is missing."""

    async def unreadable() -> Any:
        raise StoreError("the database cannot be read: database is locked")

    core.commands.open_incidents = unreadable  # type: ignore[method-assign]
    await slack.press("U0ONCALL", "incident.acknowledge", "INC-1", message_ts=None)
    await until(lambda: bool(slack.homes))
    shown = json.dumps(slack.homes[0]["view"])
    assert "You have INC-1." in shown
    assert "database is locked" in shown
    assert "/ops status" in shown
    await slack.emit({"type": "app_home_opened", "user": "U0ONCALL", "tab": "home"})
    await until(lambda: len(slack.homes) == 2)
    assert "cannot be filled" in json.dumps(slack.homes[1]["view"])


@pytest.mark.parametrize("error", [NotFoundError("there is no such thing"), RuntimeError("a bug")])
async def test_the_menu_that_cannot_be_made_says_so(slack: SmallSlack, core: Core, error: Exception) -> None:
    """The shortcut has no channel; a dialog is the one place for an answer."""

    async def unreadable() -> Any:
        raise error

    core.commands.open_incidents = unreadable  # type: ignore[method-assign]
    body = {"type": "shortcut", "callback_id": "ops.open", "user": USER, "team": {"id": "T1"}, "trigger_id": "t-m"}
    await slack.send("interactive", body)
    await until(lambda: bool(slack.views))
    shown = json.dumps(next(iter(slack.views.values())))
    assert "there is no such thing" in shown or "error inside opsbot" in shown
    assert "a bug" not in shown


async def test_a_menu_whose_options_fail_is_answered_with_none(slack: SmallSlack, core: Core) -> None:
    """It would turn for three seconds otherwise."""

    async def unreadable() -> Any:
        raise RuntimeError("a bug")

    core.commands.open_incidents = unreadable  # type: ignore[method-assign]
    body = {"type": "block_suggestion", "action_id": "pick.incident", "value": "x", "user": USER, "team": {"id": "T1"}}
    assert await slack.send("interactive", body) == {"options": []}


def submission(view: Mapping[str, Any], user: str = "U0ONCALL") -> Mapping[str, Any]:
    """Of a dialog as a client might make it up."""
    return {
        "type": "view_submission", "user": {"id": user}, "team": {"id": "T1"}, "trigger_id": f"t-{view['id']}-{user}",
        "view": {"type": "modal", **view},
    }  # fmt: skip
