"""The workspace as Slack's own libraries see it, and who may look at its page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.models.blocks import ActionsBlock, ButtonElement, HeaderBlock
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.workspace.app import Workspace, running
from opsbot.workspace.faults import Fault
from opsbot.workspace.settings import WorkspaceSettings

pytestmark = pytest.mark.integration

PAGE = {"X-Page-Token": "page-token"}


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    """On a free port."""
    async with running(WorkspaceSettings("xoxb-local", "xapp-local", "page-token", port=0)) as started:
        yield started


@pytest.fixture
def client(workspace: Workspace) -> AsyncWebClient:
    """Slack's official client."""
    return AsyncWebClient("xoxb-local", base_url=workspace.api_url)


async def error_of(call: Any) -> str:
    """The error that a call is answered with."""
    with pytest.raises(SlackApiError) as raised:
        await call
    return str(raised.value.response["error"])


async def test_a_message_lives_as_in_slack(client: AsyncWebClient) -> None:
    """Posted by channel name, found by id with its metadata, edited, answered in a thread, deleted."""
    metadata = {"event_type": "outbox", "event_payload": {"key": "k-1"}}
    posted = await client.chat_postMessage(channel="#incidents", text="one", metadata=metadata)
    channel, ts = posted["channel"], posted["ts"]
    await client.chat_update(channel=channel, ts=ts, text="two")
    await client.chat_postMessage(channel=channel, text="reply", thread_ts=ts)
    (message,) = (await client.conversations_history(channel=channel, include_all_metadata=True))["messages"]
    assert (message["text"], message["reply_count"], message["metadata"]) == ("two", 1, metadata)
    replies = (await client.conversations_replies(channel=channel, ts=ts))["messages"]
    assert [reply["text"] for reply in replies] == ["two", "reply"]
    assert "metadata" not in (await client.conversations_history(channel=channel))["messages"][0]
    await client.chat_delete(channel=channel, ts=ts)
    assert await error_of(client.chat_update(channel=channel, ts=ts, text="three")) == "message_not_found"


async def test_mistakes_get_slacks_own_errors(client: AsyncWebClient, workspace: Workspace) -> None:
    """Wrong channel, no text, a thread that is not there, blocks that Slack would refuse, tokens mixed up."""
    assert await error_of(client.chat_postMessage(channel="#nowhere", text="x")) == "channel_not_found"
    assert await error_of(client.api_call("chat.postMessage", json={"channel": "ops", "text": ""})) == "no_text"
    assert await error_of(client.chat_postMessage(channel="ops", text="x", thread_ts="1.0")) == "thread_not_found"
    twice = ActionsBlock(elements=[ButtonElement(text="A", action_id="a"), ButtonElement(text="B", action_id="a")])
    assert await error_of(client.chat_postMessage(channel="ops", text="x", blocks=[twice])) == "invalid_blocks"
    long = {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}
    assert await error_of(client.chat_postMessage(channel="ops", text="x", blocks=[long])) == "invalid_blocks"
    assert await error_of(client.apps_connections_open(app_token="xoxb-local")) == "not_allowed_token_type"
    stranger = AsyncWebClient("xoxb-other", base_url=workspace.api_url)
    assert await error_of(stranger.auth_test()) == "invalid_auth"
    assert await error_of(client.api_call("admin.everything")) == "unknown_method"


async def test_a_home_tab_is_published(client: AsyncWebClient, workspace: Workspace) -> None:
    """What was published is what the page shows that person."""
    view = {"type": "home", "blocks": [HeaderBlock(text="Nothing is open.").to_dict()]}
    await client.views_publish(user_id="U0ONCALL", view=view)
    async with aiohttp.ClientSession(headers=PAGE) as session, session.get(f"{workspace.url}/ui/state") as answer:
        (shown,) = (await answer.json())["homes"].values()
    assert (shown["type"], shown["blocks"][0]["text"]["text"]) == ("home", "Nothing is open.")


async def test_a_rate_limit_says_how_long_to_wait(client: AsyncWebClient, workspace: Workspace) -> None:
    """A fault on demand: 429 with Retry-After once, then as before."""
    workspace.faults.add("chat.postMessage", Fault(status=429, retry_after_s=7))
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel="ops", text="x")
    assert (raised.value.response.status_code, raised.value.response.headers["Retry-After"]) == (429, "7")
    assert (await client.chat_postMessage(channel="ops", text="x"))["ok"]


async def test_an_answer_can_be_lost_after_it_took_effect(client: AsyncWebClient, workspace: Workspace) -> None:
    """The caller sees a broken connection; the message is there all the same."""
    workspace.faults.add("chat.postMessage", Fault(drop_answer=True))
    client.retry_handlers.clear()
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel="ops", text="there")
    assert [message["text"] for message in workspace.state.channel("ops").messages] == ["there"]


async def test_socket_mode_needs_the_ticket(client: AsyncWebClient, workspace: Workspace) -> None:
    """Only who may open connections is sent what people press; the rest is turned away."""
    url = (await client.apps_connections_open(app_token="xapp-local"))["url"]
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url) as connection:
            assert (await connection.receive_json())["type"] == "hello"
        with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
            await session.ws_connect(f"{url.split('?')[0]}?ticket=1")


async def test_an_event_is_sent_again_until_it_is_acknowledged(client: AsyncWebClient, workspace: Workspace) -> None:
    """Somebody's message reaches the bot as an event; one without acknowledgement comes again under the same id."""
    url = (await client.apps_connections_open(app_token="xapp-local"))["url"]
    body = {"user": "U0ONCALL", "channel": "C0OPS", "text": "hello <@U0OPSBOT>"}
    async with aiohttp.ClientSession(headers=PAGE) as session, session.ws_connect(url) as connection:
        assert (await connection.receive_json())["type"] == "hello"
        await (await session.post(f"{workspace.url}/ui/say", json=body)).read()
        first = [await connection.receive_json() for _ in range(2)]
        await connection.send_json({"envelope_id": first[0]["envelope_id"]})
        again = await connection.receive_json(timeout=10)
    assert {envelope["payload"]["event"]["type"] for envelope in first} == {"message", "app_mention"}
    assert again["payload"]["event_id"] == first[1]["payload"]["event_id"]


@pytest.mark.parametrize("headers", [{}, {"X-Page-Token": "wrong"}, {"Cookie": "workspace=wrong"}])
@pytest.mark.parametrize(("method", "path"), [("GET", "state"), ("GET", "live"), ("POST", "say"), ("POST", "press")])
async def test_the_pages_routes_need_its_token(
    workspace: Workspace, headers: dict[str, str], method: str, path: str
) -> None:
    """Without the token nobody reads the workspace or acts in it."""
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, f"{workspace.url}/ui/{path}", json={"user": "U0ONCALL"}) as answer,
    ):
        assert answer.status == 401


async def test_another_site_cannot_press_buttons(workspace: Workspace) -> None:
    """A write that a browser sends for another page is refused, whatever cookie it brings."""
    headers = {"Cookie": "workspace=page-token", "Origin": "http://evil.example"}
    body = {"user": "U0ONCALL", "channel": "C0OPS", "text": "x"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{workspace.url}/ui/say", json=body) as answer,
    ):
        assert answer.status == 403
    assert workspace.state.channel("ops").messages == []


@pytest.mark.parametrize("name", ["../settings.py", "%2e%2e%2fsettings.py", "nothing.js", "index.html"])
async def test_only_the_pages_own_files_are_served(workspace: Workspace, name: str) -> None:
    """No way leads out of the page's folder."""
    async with aiohttp.ClientSession() as session, session.get(f"{workspace.url}/web/{name}") as answer:
        assert answer.status == 404


async def test_a_response_url_answers_who_pressed(client: AsyncWebClient, workspace: Workspace) -> None:
    """The bot may answer a command later, to its writer only."""
    heard: list[dict[str, Any]] = []
    workspace.state.listen(heard.append)
    url = (await client.apps_connections_open(app_token="xapp-local"))["url"]
    body = {"user": "U0VISITOR", "channel": "C0OPS", "text": "/ops status"}
    async with aiohttp.ClientSession(headers=PAGE) as session, session.ws_connect(url) as connection:
        assert (await connection.receive_json())["type"] == "hello"
        said = asyncio.create_task(session.post(f"{workspace.url}/ui/say", json=body))
        envelope = await connection.receive_json()
        await connection.send_json({"envelope_id": envelope["envelope_id"]})
        assert (await (await said).json())["ok"]
        await (await session.post(envelope["payload"]["response_url"], json={"text": "later"})).read()
        assert (await session.post(f"{workspace.url}/respond/unknown", json={"text": "x"})).status == 404
    (whisper,) = [change for change in heard if change["type"] == "ephemeral"]
    assert (whisper["user"], whisper["message"]["text"]) == ("U0VISITOR", "later")
