"""HTTP mode: requests of the workspace are taken by Slack's real HTTP adapter, and forged or old ones are not."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_sdk.signature import SignatureVerifier
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from opsbot.workspace.app import Workspace, running
from opsbot.workspace.app_settings import AppSettings
from opsbot.workspace.http_mode import signature
from tests.support.page_user import NotingApp, PageUser, actions, button, modal, text, workspace_settings
from tests.support.ports import free_port
from tests.support.serving_app import serving_app
from tests.support.waiting import until

pytestmark = pytest.mark.integration

SECRET = "signing-secret"
PATH = "/slack/events"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def http_settings(port: int, **more: Any) -> Any:
    """A workspace that posts to this port."""
    url = f"http://127.0.0.1:{port}{PATH}"
    return workspace_settings(app=AppSettings(request_url=url, signing_secret=SECRET, **more))


@dataclass(slots=True)
class Taken:
    """A request as it came."""

    headers: dict[str, str]
    body: str


@dataclass(slots=True)
class PlainApp:
    """An app without Bolt, which notes the requests and answers as it is told."""

    taken: list[Taken] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        body = await request.text()
        if '"url_verification"' in body:
            return web.json_response({"challenge": (await request.json())["challenge"]})
        self.taken.append(Taken(dict(request.headers), body))
        await asyncio.sleep(self.delay_s)
        return web.Response(status=self.status, headers=self.headers)


@asynccontextmanager
async def listening(handler: Handler, port: int) -> AsyncIterator[None]:
    """A server with that one route."""
    app = web.Application()
    app.router.add_post(PATH, handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@pytest.fixture
def port() -> int:
    """Where the app listens."""
    return free_port()


@pytest.fixture
async def workspace(port: int) -> AsyncIterator[Workspace]:
    """It posts to *port*; retries come at once and the app has two seconds."""
    async with running(http_settings(port, event_retries_s=(0.0, 0.0, 0.0), ack_within_s=2.0)) as started:
        yield started


@pytest.fixture
async def app(workspace: Workspace, port: int) -> AsyncIterator[NotingApp]:
    """A Bolt app behind Bolt's own adapter, verified by the workspace."""
    noting = NotingApp(workspace, SECRET)
    handler = AsyncSlackRequestHandler(noting.bolt)

    async def endpoint(request: Request) -> Response:
        answer: Response = await handler.handle(request)
        return answer

    listener = socket.socket()
    listener.bind(("127.0.0.1", port))
    async with serving_app(Starlette(routes=[Route(PATH, endpoint, methods=["POST"])]), listener):
        await until(lambda: workspace.is_connected)
        yield noting


async def test_bolt_takes_everything_over_http(workspace: Workspace, app: NotingApp) -> None:
    """A command, a shortcut that opens a dialog, a submission with errors, a press and an event."""
    user = PageUser(workspace)
    assert (await user.state())["bot_connected"]
    app.answers |= {
        "/ops": {"text": "You have INC-1."},
        "view_submission": {"response_action": "errors", "errors": {"reason": "Say more"}},
        "block_suggestion": {"options": [{"text": text("One"), "value": "1"}]},
    }

    async def show(body: dict[str, Any]) -> None:
        if body.get("type") == "shortcut":
            await app.client.views_open(trigger_id=body["trigger_id"], view=modal())

    app.then = show
    assert (await user.do("say", channel="C0OPS", text="/ops ack 1 ü & =")) == {"ok": True}
    assert (app.of("/ops")[0]["text"], user.whispers()) == ("ack 1 ü & =", ["You have INC-1."])
    assert (await user.do("shortcut", callback_id="ops.open"))["ok"]
    await until(lambda: any(one["type"] == "views" for one in user.told))
    (view,) = await user.views()
    assert (await user.do("submit", view_id=view["id"], values={}))["errors"] == {"reason": "Say more"}
    menu = {"type": "external_select", "action_id": "who"}
    ts = await app.post(blocks=[actions(button("go"), menu)])
    assert (await user.do("press", channel="C0INCIDENTS", ts=ts, action={"action_id": "go"}))["ok"]
    options = await user.do("options", channel="C0INCIDENTS", ts=ts, block_id="act", action_id="who", value="o")
    assert options["options"][0]["value"] == "1"
    await user.do("say", channel="C0OPS", text="hello")
    await until(lambda: any(one.get("user") == "U0ONCALL" for one in app.of("message")))


async def test_bolt_refuses_what_the_workspace_did_not_sign_now(app: NotingApp, port: int) -> None:
    """A forged signature, an old one, a replayed one whose time was made new, and none at all."""
    body, now = "payload=%7B%22type%22%3A%22shortcut%22%2C%22callback_id%22%3A%22x%22%7D", str(int(time.time()))
    old = str(int(time.time()) - 301)

    async def status(timestamp: str, signed: str) -> int:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if signed:
            headers |= {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signed}
        url = f"http://127.0.0.1:{port}{PATH}"
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
            return answer.status

    assert await status(now, signature(SECRET, now, body)) == 200
    assert await status(now, signature("another secret", now, body)) == 401
    assert await status(old, signature(SECRET, old, body)) == 401
    assert await status(now, signature(SECRET, old, body)) == 401
    assert await status(now, "") == 401
    assert len(app.of("shortcut")) == 1


async def test_requests_are_encoded_and_signed_as_slacks_are(workspace: Workspace, port: int) -> None:
    """Events are JSON, the rest are forms; Slack's own verifier takes each signature."""
    app, user = PlainApp(), PageUser(workspace)
    async with listening(app.handle, port):
        await until(lambda: workspace.is_connected)
        await user.do("say", channel="C0OPS", text="/ops status")
        await user.do("shortcut", callback_id="ops.open")
        await user.do("say", channel="C0OPS", text="hello")
        await until(lambda: len(app.taken) == 3)
    command, shortcut, event = app.taken
    assert parse_qs(command.body)["command"] == ["/ops"]
    assert list(parse_qs(shortcut.body)) == ["payload"]
    assert [one.headers["Content-Type"].split("/")[1] for one in app.taken] == ["x-www-form-urlencoded"] * 2 + ["json"]
    assert all(SignatureVerifier(SECRET).is_valid_request(one.body, one.headers) for one in app.taken)
    assert "X-Slack-Retry-Num" not in event.headers


async def test_a_refused_event_comes_again(workspace: Workspace, port: int) -> None:
    """With the attempt and the reason, three times; not if the app asks for none."""
    app, user = PlainApp(status=500), PageUser(workspace)
    async with listening(app.handle, port):
        await until(lambda: workspace.is_connected)
        await user.do("say", channel="C0OPS", text="hello")
        await until(lambda: len(app.taken) == 4)
        app.headers = {"X-Slack-No-Retry": "1"}
        await user.do("say", channel="C0OPS", text="again")
        await asyncio.sleep(0.3)
    attempts = [one.headers.get("X-Slack-Retry-Num") for one in app.taken]
    assert attempts == [None, "1", "2", "3", None]
    assert app.taken[1].headers["X-Slack-Retry-Reason"] == "http_error"


async def test_people_are_told_of_a_slow_a_failing_and_an_absent_app(workspace: Workspace, port: int) -> None:
    """Each in its own words; none of what they did is sent again."""
    app, user = PlainApp(), PageUser(workspace)
    async with listening(app.handle, port):
        await until(lambda: workspace.is_connected)
        app.delay_s = 4.0
        slow = await user.do("shortcut", callback_id="ops.open")
        app.delay_s, app.status = 0.0, 500
        failing = await user.do("shortcut", callback_id="ops.open")
    absent = await user.do("shortcut", callback_id="ops.open")
    assert [one["error"].split(".")[0] for one in (slow, failing, absent)] == [
        "The bot did not answer within three seconds",
        "The bot refused the request",
        "The bot is not connected",
    ]
    assert len(app.taken) == 2
    assert not (await user.state())["bot_connected"]
    async with listening(PlainApp().handle, port):
        await until(lambda: workspace.is_connected)


async def test_an_app_that_does_not_repeat_the_challenge_is_not_connected(workspace: Workspace, port: int) -> None:
    """Until it does."""

    async def wrong(request: web.Request) -> web.Response:
        return web.json_response({"challenge": "something else"})

    async with listening(wrong, port):
        await asyncio.sleep(1.0)
        assert not workspace.is_connected
    async with listening(PlainApp().handle, port):
        await until(lambda: workspace.is_connected)


def test_an_address_needs_a_secret() -> None:
    """Without one the app could not tell a forged request."""
    with pytest.raises(ValueError, match="signing_secret"):
        AppSettings(request_url="http://127.0.0.1:1/slack/events")


async def test_a_redirect_is_not_followed(workspace: Workspace, port: int) -> None:
    """What people do, and the signature of it, goes to the request URL and nowhere else."""
    elsewhere, app, user = PlainApp(), PlainApp(), PageUser(workspace)
    other = free_port()
    async with listening(elsewhere.handle, other), listening(app.handle, port):
        await until(lambda: workspace.is_connected)
        app.status, app.headers = 307, {"Location": f"http://127.0.0.1:{other}{PATH}"}
        refused = await user.do("shortcut", callback_id="ops.open")
    assert refused["error"].startswith("The bot refused the request")
    assert (len(app.taken), elsewhere.taken) == (1, [])
