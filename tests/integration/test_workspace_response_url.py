"""What an app answers to a response URL, through Slack's own `respond` and by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.webhook.async_client import AsyncWebhookClient

from opsbot.workspace.app import Workspace, running
from tests.support.page_user import NotingApp, PageUser, actions, button, workspace_settings

pytestmark = pytest.mark.integration

BLOCKS = [actions(button("go"))]
REPLACED = {"text": "replaced", "replace_original": True}


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    """On a free port."""
    async with running(workspace_settings()) as started:
        yield started


@pytest.fixture
async def app(workspace: Workspace) -> AsyncIterator[NotingApp]:
    """Connected."""
    async with NotingApp(workspace).connected() as connected:
        yield connected


@pytest.fixture
def user(workspace: Workspace) -> PageUser:
    """The on-call engineer."""
    return PageUser(workspace)


async def url_of(app: NotingApp, user: PageUser, ts: str) -> str:
    """Of a press on that message."""
    assert (await user.do("press", channel="C0INCIDENTS", ts=ts, action={"action_id": "go"}))["ok"]
    return str(app.of("block_actions")[-1]["response_url"])


async def answer(url: str, **content: Any) -> tuple[int, str]:
    """Status and body."""
    sent = await AsyncWebhookClient(url).send_dict(content)
    return sent.status_code, sent.body


async def test_an_answer_is_ephemeral_unless_it_says_otherwise(
    workspace: Workspace, app: NotingApp, user: PageUser
) -> None:
    """In the channel, and in the thread, where it asks for that."""
    ts = await app.post(blocks=BLOCKS)
    url = await url_of(app, user, ts)
    assert await answer(url, text="only you") == (200, "ok")
    assert await answer(url, text="all", response_type="in_channel") == (200, "ok")
    assert await answer(url, text="reply", response_type="in_channel", thread_ts=ts) == (200, "ok")
    assert user.whispers() == ["only you"]
    *_, everyone, reply = workspace.state.channel("incidents").messages
    assert (everyone["text"], everyone.get("thread_ts")) == ("all", None)
    assert (reply["text"], reply["thread_ts"]) == ("reply", ts)


async def test_the_message_itself_is_replaced_or_deleted(workspace: Workspace, app: NotingApp, user: PageUser) -> None:
    """What the new one does not have is gone."""
    ts = await app.post(blocks=BLOCKS)
    url = await url_of(app, user, ts)
    await answer(url, **REPLACED)
    (message,) = workspace.state.channel("incidents").messages
    assert (message["ts"], message["text"], message["blocks"]) == (ts, "replaced", [])
    await answer(url, delete_original=True)
    assert workspace.state.channel("incidents").messages == []
    assert await answer(url, **REPLACED) == (200, "ok")
    assert user.whispers() == ["replaced"]


async def test_an_ephemeral_message_is_replaced_or_deleted(app: NotingApp, user: PageUser) -> None:
    """In its place: the page is told of the same ts; what replaced it can be pressed again."""
    posted = await app.client.chat_postEphemeral(channel="C0INCIDENTS", user=user.user, text="one", blocks=BLOCKS)
    ts = posted["message_ts"]
    await answer(await url_of(app, user, ts), text="two", blocks=BLOCKS, replace_original=True)
    await answer(await url_of(app, user, ts), delete_original=True)
    told = [(one["type"], one.get("ts") or one["message"]["ts"]) for one in user.told if "ephemeral" in one["type"]]
    assert told == [("ephemeral", ts), ("ephemeral", ts), ("ephemeral_deleted", ts)]
    assert user.whispers() == ["one", "two"]
    gone = await user.do("press", channel="C0INCIDENTS", ts=ts, action={"action_id": "go"})
    assert gone == {"ok": False, "error": "That is not there any more. Look at the newest messages."}


async def test_five_answers_are_all(app: NotingApp, user: PageUser) -> None:
    """One that was refused does not count; an unknown address has expired."""
    url = await url_of(app, user, await app.post(blocks=BLOCKS))
    status, body = await answer(url, text="x", blocks=[{"type": "nothing"}])
    assert (status, "invalid_blocks" in body) == (400, True)
    assert (await answer(url, response_type="in_channel"))[1].count("no_text") == 1
    for _ in range(5):
        assert await answer(url, text="x") == (200, "ok")
    status, body = await answer(url, text="x")
    assert (status, "used_url" in body) == (404, True)
    status, body = await answer(url[:-3] + "abc", text="x")
    assert (status, "expired_url" in body) == (404, True)


@pytest.mark.parametrize("body", ["", "{", "[]", '"text"'])
async def test_a_body_that_is_no_object_is_refused(app: NotingApp, user: PageUser, body: str) -> None:
    """With Slack's word for it."""
    url = await url_of(app, user, await app.post(blocks=BLOCKS))
    async with aiohttp.ClientSession() as session, session.post(url, data=body) as refused:
        assert (refused.status, (await refused.json())["error"]) == (400, "invalid_payload")


async def test_an_acknowledgement_with_text_answers_a_command(
    workspace: Workspace, app: NotingApp, user: PageUser
) -> None:
    """In private, or in the channel; blocks that Slack would not show are told to the person."""
    app.answers["/ops"] = {"text": "only you"}
    await user.do("say", channel="C0OPS", text="/ops status")
    app.answers["/ops"] = {"text": "all", "response_type": "in_channel"}
    await user.do("say", channel="C0OPS", text="/ops status")
    app.answers["/ops"] = {"text": "x", "blocks": [{"type": "header"}]}
    refused = await user.do("say", channel="C0OPS", text="/ops status")
    assert user.whispers() == ["only you"]
    assert [message["text"] for message in workspace.state.channel("ops").messages] == ["all"]
    assert refused["error"].startswith("Slack would not show the bot's answer: invalid_blocks")
