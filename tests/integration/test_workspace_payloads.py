"""What the workspace sends has Slack's published shapes, and our bot's listeners take those shapes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_bolt.request import internals
from slack_bolt.request.payload_utils import (
    is_block_actions,
    is_block_suggestion,
    is_event,
    is_global_shortcut,
    is_message_shortcut,
    is_slash_command,
    is_view_closed,
    is_view_submission,
)
from slack_sdk.models.views import View
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.slack.app import SlackSettings
from opsbot.workspace.app import Workspace, running
from opsbot.workspace.delivery import Kind
from tests.support import page_user
from tests.support.incident_views import make_view
from tests.support.page_user import NotingApp, PageUser, actions, button, field, modal, typed, workspace_settings
from tests.support.slack_role import Core, running_role
from tests.support.slack_shapes import differences, names, shape
from tests.support.waiting import until

pytestmark = pytest.mark.integration

BOT_TOKENS = ("xoxb-local", "xapp-local")
NOT_OFFERED = {"view_closed"}
"""No dialog of the bot wants to hear that it was closed."""
TAKEN = sorted(set(names()) - set(names("socket_")) - NOT_OFFERED)
KINDS = {
    "block_actions": is_block_actions,
    "block_suggestion": is_block_suggestion,
    "event_callback": is_event,
    "shortcut": is_global_shortcut,
    "message_action": is_message_shortcut,
    "slash_command": is_slash_command,
    "view_closed": is_view_closed,
    "view_submission": is_view_submission,
}
SELECT = {
    "type": "static_select",
    "action_id": "for",
    "options": [{"text": page_user.text("1 hour"), "value": "3600"}],
}


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    """On a free port."""
    async with running(workspace_settings()) as started:
        yield started


@pytest.fixture
async def app(workspace: Workspace) -> AsyncIterator[NotingApp]:
    """Connected; it opens a dialog whenever it gets a shortcut."""
    async with NotingApp(workspace).connected() as connected:
        yield connected


async def open_modal(app: NotingApp, user: PageUser, view: dict[str, Any]) -> dict[str, Any]:
    """Have a dialog opened; answers it as the page has it."""

    async def show(body: dict[str, Any]) -> None:
        if body.get("type") == "shortcut":
            await app.client.views_open(trigger_id=body["trigger_id"], view=view)

    app.then = show
    assert (await user.do("shortcut", callback_id="ops.open"))["ok"]
    await until(lambda: any(one["type"] == "views" and one["views"] for one in user.told))
    return (await user.views())[-1]


def check(name: str, sent: dict[str, Any]) -> None:
    """It has the published shape, and Bolt finds in it what it would find in Slack's."""
    published = shape(name)
    assert list(differences(published, sent)) == []
    assert KINDS[published.get("type", "slash_command")](sent)
    for extract in (
        internals.extract_user_id,
        internals.extract_channel_id,
        internals.extract_team_id,
        internals.extract_is_enterprise_install,
        internals.extract_enterprise_id,
        internals.extract_actor_user_id,
        internals.extract_thread_ts,
    ):
        assert bool(extract(sent)) == bool(extract(published)), extract.__name__


async def test_a_press_on_a_message(workspace: Workspace, app: NotingApp) -> None:
    """With the message, its container and a response URL."""
    user = PageUser(workspace)
    ts = await app.post(blocks=[actions(button("go", "INC-1"))])
    pressed = {"type": "button", "action_id": "go", "value": "INC-1"}
    assert (await user.do("press", channel="C0INCIDENTS", ts=ts, block_id="act", action=pressed))["ok"]
    (sent,) = app.of("block_actions")
    check("block_actions_message", sent)
    assert (sent["user"]["id"], sent["actions"][0]["value"], sent["message"]["ts"]) == ("U0ONCALL", "INC-1", ts)


async def test_a_press_in_a_thread_says_so(workspace: Workspace, app: NotingApp) -> None:
    """The container names the thread."""
    parent = await app.post()
    ts = await app.post(thread_ts=parent, blocks=[actions(button("go"))])
    await PageUser(workspace).do("press", channel="C0INCIDENTS", ts=ts, action={"action_id": "go"})
    (sent,) = app.of("block_actions")
    assert sent["container"]["thread_ts"] == parent
    assert internals.extract_thread_ts(sent) == parent


async def test_a_press_on_an_ephemeral_message(workspace: Workspace, app: NotingApp) -> None:
    """Without the message: Slack does not show it to the app. Nobody else can press it."""
    user, other = PageUser(workspace), PageUser(workspace, "U0VISITOR")
    posted = await app.client.chat_postEphemeral(
        channel="C0INCIDENTS", user="U0ONCALL", text="x", blocks=[actions(button("go"))]
    )
    press = {"channel": "C0INCIDENTS", "ts": posted["message_ts"], "block_id": "act", "action": {"action_id": "go"}}
    assert (await user.do("press", **press))["ok"]
    assert not (await other.do("press", **press))["ok"]
    (sent,) = app.of("block_actions")
    check("block_actions_ephemeral", sent)


async def test_a_choice_in_a_dialog(workspace: Workspace, app: NotingApp) -> None:
    """With the view, and in it what stands in every element."""
    user = PageUser(workspace)
    view = await open_modal(
        app, user, modal(field("reason"), actions(SELECT, block_id="how-long"), private_metadata="m")
    )
    chosen = {"type": "static_select", "action_id": "for", "selected_option": {"value": "3600"}}
    given = {"view_id": view["id"], "block_id": "how-long", "action": chosen, "values": typed(reason="known")}
    assert (await user.do("press", **given))["ok"]
    (sent,) = app.of("block_actions")
    check("block_actions_modal", sent)
    stands = sent["view"]["state"]["values"]
    assert stands["reason"]["it"]["value"] == "known"
    assert stands["how-long"]["for"]["selected_option"]["text"]["text"] == "1 hour"
    assert (sent["view"]["private_metadata"], sent["view"]["hash"]) == ("m", view["hash"])


async def test_a_press_on_the_home_tab(workspace: Workspace, app: NotingApp) -> None:
    """With the tab's view, no channel and no response URL."""
    user = PageUser(workspace)
    await app.client.views_publish(user_id="U0ONCALL", view={"type": "home", "blocks": [actions(button("go"))]})
    home = (await user.state())["homes"]["U0ONCALL"]
    assert (await user.do("press", view_id=home["id"], block_id="act", action={"action_id": "go"}))["ok"]
    (sent,) = app.of("block_actions")
    check("block_actions_home", sent)


async def test_a_dialog_is_submitted_and_closed(workspace: Workspace, app: NotingApp) -> None:
    """With a response URL for the channel that was chosen; a closed one only where the app asked to hear of it."""
    user = PageUser(workspace)
    where = field("where", kind="conversations_select", response_url_enabled=True)
    view = await open_modal(app, user, modal(field("reason"), where, notify_on_close=True))
    chosen = {"where": {"it": {"type": "conversations_select", "selected_conversation": "C0INCIDENTS"}}}
    app.answers["view_submission"] = {"response_action": "errors", "errors": {"reason": "Say more"}}
    answer = await user.do("submit", view_id=view["id"], values=typed(reason="known") | chosen)
    assert answer["errors"] == {"reason": "Say more"}
    (sent,) = app.of("view_submission")
    check("view_submission", sent)
    parsed = View(**sent["view"]).to_dict()
    assert (parsed["id"], parsed["state"]["values"]["reason"]["it"]["value"]) == (view["id"], "known")
    assert sent["view"]["state"]["values"]["reason"]["it"]["value"] == "known"
    assert (await user.do("close", view_id=view["id"], is_cleared=False))["ok"]
    await until(lambda: bool(app.of("view_closed")))
    check("view_closed", app.of("view_closed")[0])
    await open_modal(app, user, modal())
    await user.do("close", view_id=(await user.views())[-1]["id"])
    assert await user.views() == []
    assert len(app.of("view_closed")) == 1


async def test_shortcuts_a_suggestion_and_a_command(workspace: Workspace, app: NotingApp) -> None:
    """Each in its shape; what is not registered is refused without asking the app."""
    user = PageUser(workspace)
    await user.do("say", channel="C0INCIDENTS", text="It started with the deploy")
    ts = workspace.state.channel("incidents").messages[-1]["ts"]
    assert (await user.do("shortcut", callback_id="timeline.add", channel="C0INCIDENTS", ts=ts))["ok"]
    check("message_action", app.of("message_action")[0])
    picker = field("person", kind="external_select", min_query_length=0)
    view = await open_modal(app, user, modal(picker))
    check("shortcut", app.of("shortcut")[0])
    options = [{"text": page_user.text("night shift"), "value": "U1"}]
    app.answers["block_suggestion"] = {"options": options}
    answer = await user.do("options", view_id=view["id"], block_id="person", action_id="it", value="nig")
    assert answer == {"ok": True, "options": options}
    check("block_suggestion", app.of("block_suggestion")[0])
    app.answers["/ops"] = {"text": "You have INC-1."}
    assert (await user.do("say", channel="C0INCIDENTS", text="/ops  ack 1"))["ok"]
    (sent,) = app.of("/ops")
    check("slash_command", sent)
    assert sent["text"] == "ack 1"
    assert user.whispers() == ["You have INC-1."]
    refused = [
        await user.do("say", channel="C0INCIDENTS", text="/nothing"),
        await user.do("say", channel="C0INCIDENTS", text="/ops ack", thread_ts=ts),
        await user.do("shortcut", callback_id="ops.open", channel="C0INCIDENTS", ts=ts),
    ]
    assert [one["error"].split(" ")[0] for one in refused] == ["/nothing", "/ops", "There"]
    assert len(app.of("/ops")) == len(app.of("message_action")) == 1


async def test_events(workspace: Workspace, app: NotingApp) -> None:
    """Of everything that happens in the workspace, in the published shapes."""
    user = PageUser(workspace)
    await user.do("say", channel="C0INCIDENTS", text="It started with the deploy")
    said = workspace.state.channel("incidents").messages[-1]["ts"]
    await user.do("say", channel="C0INCIDENTS", text="a reply", thread_ts=said)
    await user.do("say", channel="C0INCIDENTS", text="<@U0OPSBOT> hello")
    await user.do("react", channel="C0INCIDENTS", ts=said, name="pushpin")
    await user.do("react", channel="C0INCIDENTS", ts=said, name="pushpin", remove=True)
    await user.do("home")
    await app.client.conversations_create(name="inc-1")
    wanted = ["app_mention", "reaction_added", "reaction_removed", "app_home_opened", "channel_created"]
    await until(lambda: all(app.of(kind) for kind in wanted) and len(app.of("message")) >= 3)
    for kind in wanted:
        (event,) = app.of(kind)
        check(f"event_{kind}", next(one for one in app.heard if one.get("event") is event))
    messages = [one for one in app.heard if one.get("event", {}).get("type") == "message"]
    by_text = {one["event"]["text"]: one for one in messages}
    check("event_message", by_text["It started with the deploy"])
    check("event_message_reply", by_text["a reply"])
    assert by_text["a reply"]["event"]["thread_ts"] == said


async def test_the_bots_own_messages_are_events_too(workspace: Workspace) -> None:
    """Posted, edited and deleted ones are sent to the app, as in Slack; it is Bolt that drops them."""
    client = AsyncWebClient("xoxb-local", base_url=workspace.api_url)
    url = (await client.apps_connections_open(app_token="xapp-local"))["url"]
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as connection:
        await connection.receive_json()
        posted = await client.chat_postMessage(channel="C0INCIDENTS", text="x")
        await client.chat_update(channel="C0INCIDENTS", ts=posted["ts"], text="edited")
        await client.chat_delete(channel="C0INCIDENTS", ts=posted["ts"])
        envelopes = [await connection.receive_json() for _ in range(3)]
    sent = {one["payload"]["event"].get("subtype", "new"): one["payload"] for one in envelopes}
    assert sorted(sent) == ["message_changed", "message_deleted", "new"]
    check("event_message_changed", sent["message_changed"])
    check("event_message_deleted", sent["message_deleted"])
    assert sent["message_changed"]["event"]["previous_message"]["text"] == "x"
    assert sent["message_deleted"]["event"]["previous_message"]["text"] == "edited"


@pytest.mark.parametrize("name", TAKEN)
async def test_our_bot_takes_slacks_shapes(workspace: Workspace, name: str) -> None:
    """Every published payload of what the bot offers is acknowledged by the bot that we ship: `send` waits for that."""
    core, published = Core(make_view()), shape(name)
    kinds: dict[str, Kind] = {"event_callback": "events_api", "slash_command": "slash_commands"}
    async with running_role(core, SlackSettings(*BOT_TOKENS, workspace.api_url, "#incidents")) as role:
        await until(lambda: role.is_connected)
        await workspace.socket.send(kinds.get(published.get("type", "slash_command"), "interactive"), published)


async def test_a_private_channel_is_not_there_for_others(workspace: Workspace, app: NotingApp) -> None:
    """Who is no member neither presses, writes nor reacts there."""
    inside, outside = PageUser(workspace, "U0SAFETY"), PageUser(workspace, "U0VISITOR")
    ts = await app.post(channel="C0SAFETY", blocks=[actions(button("go"))])
    where = {"channel": "C0SAFETY", "ts": ts}
    things: dict[str, dict[str, Any]] = {
        "press": {"action": {"action_id": "go"}},
        "say": {"text": "hello"},
        "react": {"name": "eyes"},
        "shortcut": {"callback_id": "timeline.add"},
    }
    gone = "That is not there any more. Look at the newest messages."
    for what, body in things.items():
        assert await outside.do(what, **where, **body) == {"ok": False, "error": gone}, what
        assert (await inside.do(what, **where, **body))["ok"], what
