"""HTTP mode of the bot itself: Slack's requests are taken, and forged, old, repeated and overlong ones are not.

What is sent are Slack's published shapes (tests/data/slack), signed as Slack's own library signs them.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from slack_sdk.signature import SignatureVerifier

from opsbot.clock import SystemClock
from opsbot.slack.app import SlackSettings
from opsbot.slack.request_url import MAX_BYTES, PATH, RequestUrl
from opsbot.slack.role import SlackRole
from opsbot.workspace.app import running
from opsbot.workspace.app_settings import AppSettings
from tests.support.incident_views import make_approval, make_run, make_view
from tests.support.page_user import PageUser, workspace_settings
from tests.support.ports import free_port
from tests.support.slack_role import Core, running_role, until
from tests.support.slack_shapes import names, shape
from tests.support.small_slack import BOT_TOKEN, SmallSlack, small_slack

pytestmark = pytest.mark.integration

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
SENT = [name for name in names() if not name.startswith("socket_")]
"""All that Slack POSTs to us."""


@dataclass(slots=True)
class World:
    """A bot in HTTP mode, and what it is made of."""

    slack: SmallSlack
    core: Core
    role: SlackRole
    url: str

    async def post(self, body: str | bytes, content_type: str = JSON, **headers: str) -> httpx.Response:
        """Whatever is given; `timestamp`, `signature` in place of right ones."""
        content = body.encode() if isinstance(body, str) else body
        timestamp = headers.pop("timestamp", str(int(time.time())))
        signature = headers.pop("signature", "")
        if not signature:
            signature = SignatureVerifier(SECRET).generate_signature(timestamp=timestamp, body=content) or ""
        signed = {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature, "Content-Type": content_type}
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.post(self.url, content=content, headers={**signed, **headers})

    async def give(self, payload: Mapping[str, Any]) -> httpx.Response:
        """A payload in the form in which Slack POSTs it."""
        if "event" in payload or payload.get("type") == "url_verification":
            return await self.post(json.dumps(payload))
        if "command" in payload:
            return await self.post(urlencode(payload), FORM)
        return await self.post(urlencode({"payload": json.dumps(payload)}), FORM)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """INC-1 is open and has an approval; `U7MEMBER` of Slack's shapes is a stranger."""
    core, port = Core(), free_port()
    core.show(make_view(runs=[make_run(approvals=[make_approval(expires_at=SystemClock().now() + 600)])]))
    async with small_slack() as slack:
        settings = SlackSettings(
            BOT_TOKEN, "", f"{slack.url}/api/", "incidents", signing_secret=SECRET, listen=("127.0.0.1", port)
        )
        async with running_role(core, settings) as role:
            await until(lambda: core.is_all_said() and role.is_connected)
            yield World(slack, core, role, f"http://127.0.0.1:{port}{PATH}")


def press_of(user: str, number: int = 1) -> dict[str, Any]:
    """Somebody acknowledges INC-1."""
    found = shape("block_actions_message")
    found["user"]["id"] = user
    action = {"type": "button", "action_id": "incident.acknowledge", "value": "INC-1", "block_id": "b"}
    found["actions"] = [{**action, "action_ts": f"1.{number}"}]
    return found


@pytest.mark.parametrize("name", SENT)
async def test_every_kind_of_request_is_taken(world: World, name: str) -> None:
    """Each published shape is acknowledged at once; there is no app token, and nobody asks for Socket Mode."""
    answer = await world.give(shape(name))
    assert answer.status_code == 200, answer.text
    assert "apps.connections.open" not in world.slack.calls


async def test_a_press_is_carried_out(world: World) -> None:
    """The same as over Socket Mode: the command is called, and the person hears of it."""
    assert (await world.give(press_of("U0ONCALL"))).status_code == 200
    await until(lambda: bool(world.slack.ephemerals))
    assert world.core.commands.calls == [("acknowledge", "INC-1", "U0ONCALL")]
    assert "its last request came at" in world.role.heard


async def test_a_slash_command_is_answered_and_a_tab_is_shown(world: World) -> None:
    """Over response_url and views.publish."""
    command = {**shape("slash_command"), "command": "/ops", "text": "incidents", "user_id": "U0ONCALL"}
    await world.give({**command, "response_url": f"{world.slack.url}/respond"})
    await world.give(shape("event_app_home_opened"))
    await until(lambda: bool(world.slack.responses) and bool(world.slack.homes))
    assert "INC-1" in world.slack.responses[0]["text"]


async def test_the_address_is_verified(world: World) -> None:
    """Slack's challenge comes back, signed requests only."""
    body = json.dumps({"token": "x", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P", "type": "url_verification"})  # fmt: skip  # noqa: E501
    answer = await world.post(body)
    assert "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P" in answer.text
    assert (await world.post(body, signature="v0=" + "0" * 64)).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"signature": "v0=" + "0" * 64},
        {"signature": "v1=nonsense"},
        {"signature": SignatureVerifier("another secret").generate_signature(timestamp="1", body="x")},
        {"timestamp": str(int(time.time()) - 3600)},
        {"timestamp": str(int(time.time()) + 3600)},
        {"timestamp": "nonsense"},
        {"timestamp": "9" * 40},
        {"timestamp": "-1"},
    ],
)
async def test_forged_and_old_requests_are_refused(world: World, headers: dict[str, str]) -> None:
    """Nothing of them reaches a command; a wrong timestamp is refused though its signature is right."""
    body = urlencode({"payload": json.dumps(press_of("U0ONCALL"))})
    answer = await world.post(body, FORM, **headers)
    assert answer.status_code == 401
    assert world.core.commands.calls == []
    assert world.role.heard == "no request of Slack's came yet"


async def test_unsigned_requests_are_refused(world: World) -> None:
    """As any scanner of the Internet sends them; other methods and paths are not there."""
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.post(world.url, content="{}")).status_code == 401
        assert (await client.post(world.url)).status_code == 401
        assert (await client.get(world.url)).status_code == 405
        assert (await client.post(world.url.replace(PATH, "/"))).status_code == 404


async def test_a_repeated_request_is_refused(world: World) -> None:
    """Somebody sends a recorded request again within the five minutes: it has no effect, and is told so."""
    body = urlencode({"payload": json.dumps(press_of("U0ONCALL"))})
    timestamp = str(int(time.time()))
    assert (await world.post(body, FORM, timestamp=timestamp)).status_code == 200
    replayed = await world.post(body, FORM, timestamp=timestamp)
    assert (replayed.status_code, replayed.json()) == (401, {"error": "replayed"})
    await until(lambda: bool(world.slack.ephemerals))
    assert len(world.core.commands.calls) == 1


async def test_a_repeat_of_slacks_own_acts_once(world: World) -> None:
    """It is signed anew, so it is taken; the press in it is known."""
    press = press_of("U0ONCALL")
    body = urlencode({"payload": json.dumps(press)})
    earlier = str(int(time.time()) - 60)
    assert (await world.post(body, FORM, timestamp=earlier)).status_code == 200
    again = {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
    assert (await world.post(body, FORM, **again)).status_code == 200
    await until(lambda: bool(world.slack.ephemerals))
    assert len(world.core.commands.calls) == 1


async def test_a_dialog_that_is_sent_again_has_its_answer_again(world: World) -> None:
    """Repeats are known by the same memory as over Socket Mode: the plan is carried out once, the dialog stays."""
    await world.give({**press_of("U0ONCALL"), "actions": [{**press_of("U0ONCALL")["actions"][0], "action_id": "approval.grant", "value": "apr-1"}]})  # fmt: skip  # noqa: E501
    await until(lambda: any("submit" in view for view in world.slack.views.values()))
    (view_id,) = world.slack.views
    filled = {
        **shape("view_submission"), "user": {"id": "U0ONCALL"},
        "view": {**world.slack.views[view_id], "state": {"values": {}}},
    }  # fmt: skip
    first, again = await world.give(filled), await world.give({**filled, "token": "of another request"})
    assert [answer.json()["response_action"] for answer in (first, again)] == ["update", "update"]
    await until(lambda: bool(world.core.commands.calls))
    await until(lambda: world.role.is_idle)
    assert world.core.commands.calls == [("grant", "apr-1", "U0ONCALL")]


@pytest.mark.parametrize("is_declared", [True, False])
async def test_an_overlong_body_is_refused_before_it_is_read(world: World, is_declared: bool) -> None:
    """Whether or not it says how long it is."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(MAX_BYTES // 65536 + 2):
            yield b"x" * 65536

    content: Any = b"x" * (MAX_BYTES + 1) if is_declared else pieces()
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            answer = await client.post(world.url, content=content)
        except httpx.WriteError:
            return
    assert (answer.status_code, answer.json()) == (413, {"error": "too_large"})


@pytest.mark.parametrize("body", [b"\xff\xfe", b"", b"payload=%7B", b"null", b"[]", b'"text"', b"payload=%5B%5D"])
async def test_nonsense_with_a_right_signature_is_no_failure_of_ours(world: World, body: bytes) -> None:
    """A proxy that breaks bodies must not break the bot: an answer comes, and the next press works."""
    timestamp = str(int(time.time()))
    for kind in (JSON, FORM):
        try:
            signed = SignatureVerifier(SECRET).generate_signature(timestamp=timestamp, body=body) or ""
        except UnicodeDecodeError:
            signed = "v0=" + "0" * 64
        assert (await world.post(body, kind, timestamp=timestamp, signature=signed)).status_code < 500
        timestamp = str(int(timestamp) - 1)
    assert (await world.give(press_of("U0ONCALL"))).status_code == 200
    await until(lambda: bool(world.core.commands.calls))


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """And only signatures that were right are; a flood of forged ones takes no memory."""
    monkeypatch.setattr("opsbot.slack.request_url.MOST_REMEMBERED", 10)
    door = RequestUrl(None, SECRET, SystemClock())  # type: ignore[arg-type]
    for number in range(100):
        assert door._is_new(f"v0={number}")
    assert len(door._seen) <= 10


async def test_the_bundled_workspace_can_speak_http_too() -> None:
    """A person presses on the page, the workspace POSTs it, the answer is on the page: no Socket Mode anywhere."""
    port = free_port()
    url = f"http://127.0.0.1:{port}{PATH}"
    app = AppSettings(request_url=url, signing_secret=SECRET)
    core = Core()
    core.show(make_view())
    async with running(workspace_settings(app=app)) as workspace:
        settings = SlackSettings(
            "xoxb-local", "", workspace.api_url, "incidents", signing_secret=SECRET, listen=("127.0.0.1", port)
        )
        async with running_role(core, settings):
            await until(lambda: workspace.is_connected and core.is_all_said())
            (message,) = workspace.state.channel("incidents").messages
            user = PageUser(workspace, "U0ONCALL")
            where = {"channel": "C0INCIDENTS", "ts": message["ts"]}
            done = await user.do("press", **where, action={"action_id": "incident.acknowledge"})
            assert done["ok"], done
            await until(lambda: core.commands.calls == [("acknowledge", "INC-1", "U0ONCALL")])


async def test_an_address_that_is_taken_is_said(world: World) -> None:
    """Two bots on one machine: the second says what to change."""
    settings = world.role._settings
    second = SlackRole(
        settings, world.core.commands, world.role._person_for, world.core.outbox, world.core.view, world.core.entry,
        SystemClock(), world.core.commands,
    )  # fmt: skip
    with pytest.raises(Exception, match="cannot listen on"):
        await second.start()
    await second.stop()
    with socket.socket() as probe:
        assert probe.connect_ex(settings.listen or ("", 0)) == 0
