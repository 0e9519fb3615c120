"""Socket Mode on a bad day: acknowledgements lost, envelopes twice, connections refreshed, closed and slow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.workspace.app import Workspace, running
from opsbot.workspace.app_settings import AppSettings
from opsbot.workspace.ui import MAX_CHANGES
from tests.support.page_user import PAGE, NotingApp, PageUser, workspace_settings
from tests.support.slack_shapes import differences, shape
from tests.support.waiting import until

pytestmark = pytest.mark.integration

SAY = {"channel": "C0OPS", "text": "hello"}


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    """Retries come at once, so that a test need not wait for minutes, and the app has half a second."""
    settings = workspace_settings(app=AppSettings(event_retries_s=(0.0, 0.1, 0.1), ack_within_s=0.5))
    async with running(settings) as started:
        yield started


@pytest.fixture
async def patient() -> AsyncIterator[Workspace]:
    """It waits two seconds for the app, which is a real one."""
    async with running(workspace_settings(app=AppSettings(ack_within_s=2.0))) as started:
        yield started


class Connections:
    """Raw connections of an app."""

    def __init__(self, workspace: Workspace, stack: AsyncExitStack) -> None:
        self._client = AsyncWebClient("xoxb-local", base_url=workspace.api_url)
        self._stack = stack

    async def open(self) -> aiohttp.ClientWebSocketResponse:
        """One more; its hello is read."""
        url = (await self._client.apps_connections_open(app_token="xapp-local"))["url"]
        session = await self._stack.enter_async_context(aiohttp.ClientSession())
        connection = await self._stack.enter_async_context(session.ws_connect(url))
        hello = await connection.receive_json()
        assert list(differences(shape("socket_hello"), hello)) == []
        return connection


@pytest.fixture
async def connections(workspace: Workspace) -> AsyncIterator[Connections]:
    """Closed in the end."""
    async with AsyncExitStack() as stack:
        yield Connections(workspace, stack)


async def test_envelopes_have_slacks_shape(workspace: Workspace, connections: Connections) -> None:
    """Those of events say which attempt it is; only the others may be answered with a payload."""
    connection, user = await connections.open(), PageUser(workspace)
    await user.do("say", **SAY)
    event = await connection.receive_json()
    assert list(differences(shape("socket_event"), event)) == []
    parsed = SocketModeRequest.from_dict(event)
    assert parsed is not None
    assert (parsed.type, parsed.payload, parsed.retry_attempt) == ("events_api", event["payload"], 0)
    assert (event["accepts_response_payload"], event["retry_attempt"]) == (False, 0)
    pressed = asyncio.create_task(user.do("shortcut", callback_id="ops.open"))
    interactive = await connection.receive_json()
    assert list(differences(shape("socket_interactive"), {**interactive, "payload": {}})) == []
    await connection.send_json({"envelope_id": interactive["envelope_id"]})
    assert (await pressed)["ok"]


async def test_an_event_without_acknowledgement_comes_three_times_more(
    workspace: Workspace, connections: Connections
) -> None:
    """With the same event id, and with the attempt and the reason; then no more."""
    connection = await connections.open()
    await PageUser(workspace).do("say", **SAY)
    envelopes = [await connection.receive_json(timeout=5) for _ in range(4)]
    assert [one["retry_attempt"] for one in envelopes] == [0, 1, 2, 3]
    assert [one["retry_reason"] for one in envelopes] == ["", "timeout", "timeout", "timeout"]
    assert len({one["payload"]["event_id"] for one in envelopes}) == 1
    with pytest.raises(TimeoutError):
        await connection.receive_json(timeout=1.0)


async def test_retries_can_be_switched_off(workspace: Workspace, connections: Connections) -> None:
    """By the control route, for a test that counts events."""
    connection, user = await connections.open(), PageUser(workspace)
    assert (await user.control(retries_s=[]))["retries_s"] == []
    await user.do("say", **SAY)
    await connection.receive_json(timeout=5)
    with pytest.raises(TimeoutError):
        await connection.receive_json(timeout=1.0)


async def test_a_lost_acknowledgement_is_told_to_the_person(patient: Workspace) -> None:
    """The app has acted all the same; the next press is heard again."""
    user = PageUser(patient)
    async with NotingApp(patient).connected() as app:
        assert (await user.control(drop_acks=1))["drop_acks"] == 1
        assert "did not answer" in (await user.do("shortcut", callback_id="ops.open"))["error"]
        assert (await user.do("shortcut", callback_id="ops.open"))["ok"]
        assert len(app.of("shortcut")) == 2


async def test_an_envelope_can_come_twice(patient: Workspace) -> None:
    """With the same id; what is to happen once is the app's business."""
    user = PageUser(patient)
    async with NotingApp(patient).connected() as app:
        await user.control(duplicates=1)
        assert (await user.do("shortcut", callback_id="ops.open"))["ok"]
        await until(lambda: len(app.of("shortcut")) == 2)
        one, two = app.of("shortcut")
        assert one["trigger_id"] == two["trigger_id"]


async def test_a_slow_connection_delays_what_people_do(patient: Workspace) -> None:
    """The delay counts against the app's time."""
    user = PageUser(patient)
    async with NotingApp(patient).connected():
        await user.control(latency_s=0.2)
        began = time.monotonic()
        assert (await user.do("shortcut", callback_id="ops.open"))["ok"]
        assert time.monotonic() - began >= 0.2
        await user.control(latency_s=5)
        assert "did not answer" in (await user.do("shortcut", callback_id="ops.open"))["error"]


@pytest.mark.parametrize("trouble", [{"disconnect": "refresh_requested"}, {"close": True}])
async def test_bolt_comes_back_after_a_disconnect(patient: Workspace, trouble: dict[str, Any]) -> None:
    """Slack's own client opens another connection, and people notice nothing."""
    user = PageUser(patient)
    async with NotingApp(patient).connected() as app:
        await user.control(**trouble)
        changes = [one for one in user.told if one["type"] == "bot"]
        await until(lambda: len([one for one in user.told if one["type"] == "bot"]) > len(changes))
        await until(lambda: patient.socket.is_connected)
        assert (await user.do("shortcut", callback_id="ops.open"))["ok"]
        assert len(app.of("shortcut")) == 1


async def test_a_disconnect_has_slacks_shape(workspace: Workspace, connections: Connections) -> None:
    """With its reason."""
    connection = await connections.open()
    await PageUser(workspace).control(disconnect="warning")
    told = await connection.receive_json()
    assert list(differences(shape("socket_disconnect"), told)) == []
    assert told["reason"] == "warning"


async def test_one_of_several_connections_gets_each_envelope(workspace: Workspace, connections: Connections) -> None:
    """The newest, since an older one may be about to close; or each in its turn."""
    old, new = await connections.open(), await connections.open()
    user = PageUser(workspace)
    await user.control(retries_s=[])
    await user.do("say", **SAY)
    assert (await new.receive_json(timeout=5))["type"] == "events_api"
    await user.control(spread="round_robin")
    await user.do("say", **SAY)
    await user.do("say", **SAY)
    assert (await new.receive_json(timeout=5))["type"] == (await old.receive_json(timeout=5))["type"] == "events_api"


async def test_there_is_an_end_to_connections(workspace: Workspace, connections: Connections) -> None:
    """Slack allows ten."""
    for _ in range(10):
        await connections.open()
    with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
        await connections.open()


async def test_a_person_is_told_that_the_bot_is_away(workspace: Workspace) -> None:
    """Nothing waits for it."""
    answer = await PageUser(workspace).do("shortcut", callback_id="ops.open")
    assert answer == {"ok": False, "error": "The bot is not connected. Is it running?"}


@pytest.mark.parametrize(
    "switches",
    [
        {"drop_acks": -1},
        {"duplicates": True},
        {"latency_s": "1"},
        {"latency_s": 61},
        {"spread": "all"},
        {"disconnect": "tired"},
        {"close": 1},
        {"retries_s": [-1]},
        {"nothing": 1},
    ],
)
async def test_a_switch_that_there_is_not_is_refused(workspace: Workspace, switches: dict[str, Any]) -> None:
    """With what it may be, and nothing else is set."""
    user = PageUser(workspace)
    answer = (
        await user.control(drop_acks=1, **switches) if "drop_acks" not in switches else await user.control(**switches)
    )
    assert answer["ok"] is False
    assert next(iter(switches)) in answer["error"]
    assert (await user.control())["drop_acks"] == 0


async def test_switches_need_the_pages_token(workspace: Workspace) -> None:
    """Without it nothing is set."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{workspace.url}/control/socket", json={"drop_acks": 1}) as answer,
    ):
        assert answer.status == 401
    assert workspace.socket.faults.drop_acks == 0


@pytest.mark.parametrize("frame", ["", "no json", "[]", '{"envelope_id": 1}', '{"envelope_id": "x", "payload": []}'])
async def test_nonsense_from_an_app_ends_nothing(workspace: Workspace, connections: Connections, frame: str) -> None:
    """The connection goes on."""
    connection, user = await connections.open(), PageUser(workspace)
    await connection.send_str(frame)
    pressed = asyncio.create_task(user.do("shortcut", callback_id="ops.open"))
    envelope = await connection.receive_json(timeout=5)
    await connection.send_json({"envelope_id": envelope["envelope_id"], "payload": None})
    assert (await pressed)["ok"]


async def test_a_page_that_is_too_far_behind_is_cut_off(workspace: Workspace) -> None:
    """Instead of being fed from a heap without end; it comes back and reads everything anew."""
    async with aiohttp.ClientSession(headers=PAGE) as session:
        async with session.ws_connect(f"{workspace.url}/ui/live") as page:
            await asyncio.sleep(0.1)
            for number in range(MAX_CHANGES + 1):
                workspace.state.tell({"type": "rate", "method": str(number)})
            frames = [frame async for frame in page]
            assert len(frames) <= MAX_CHANGES
            assert page.closed
        async with session.ws_connect(f"{workspace.url}/ui/live") as page:
            await asyncio.sleep(0.1)
            workspace.state.tell({"type": "rate", "method": "again"})
            assert (await page.receive_json(timeout=5))["method"] == "again"
