"""Trouble on demand over HTTP, rate limits, and what is there after a restart of the workspace."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler

from opsbot.workspace.settings import Keeping
from tests.support.web_api import PAGE_TOKEN, Served, error_of, refused, served

pytestmark = pytest.mark.integration


@pytest.fixture
async def at() -> AsyncIterator[Served]:
    """A workspace."""
    async with served() as started:
        yield started


async def control(
    at: Served, path: str, body: Any = None, how: str = "POST", token: str = PAGE_TOKEN
) -> tuple[int, Any]:
    """Ask for trouble; answers status and body."""
    url = f"{at.workspace.url}/control/{path}"
    async with (
        aiohttp.ClientSession(headers={"X-Page-Token": token}) as session,
        session.request(how, url, json=body) as answer,
    ):
        return answer.status, await answer.json() if answer.ok else await answer.text()


async def test_the_next_calls_meet_an_error_of_any_name(at: Served) -> None:
    """So many of them, without effect; then all is well."""
    status, answer = await control(
        at, "faults", {"method": "chat.postMessage", "error": "channel_not_found", "count": 2}
    )
    assert (status, answer["waiting"]) == (200, {"chat.postMessage": 2})
    for _ in range(2):
        assert await error_of(at.client.chat_postMessage(channel="ops", text="x")) == "channel_not_found"
    assert at.texts("ops") == []
    assert (await at.client.chat_postMessage(channel="ops", text="x"))["ok"]


async def test_any_method_can_be_meant(at: Served) -> None:
    """A status, with how long to wait; and none after they are cleared."""
    await control(at, "faults", {"method": "*", "status": 429, "retry_after_s": 7})
    response = await refused(at.client.auth_test())
    assert (response.status_code, response.headers["Retry-After"], response["error"]) == (429, "7", "ratelimited")
    await control(at, "faults", {"method": "*", "status": 503, "count": 5})
    assert (await control(at, "faults", how="DELETE"))[1]["waiting"] == {}
    assert (await at.client.auth_test())["ok"]


async def test_a_call_can_be_slow(at: Served) -> None:
    """It is carried out after its delay."""
    await control(at, "faults", {"method": "chat.postMessage", "delay_s": 0.2})
    began = time.monotonic()
    await at.client.chat_postMessage(channel="ops", text="x")
    assert time.monotonic() - began > 0.2


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "method"),
        ({"method": "x", "count": 0}, "count"),
        ({"method": "x", "delay_s": 61}, "delay_s"),
        ({"method": "x", "status": 200}, "status"),
        ({"method": "x", "nonsense": 1}, "nonsense"),
        ([], ""),
    ],
)
async def test_what_makes_no_sense_is_named(at: Served, body: object, problem: str) -> None:
    """By its field, and changes nothing."""
    status, text = await control(at, "faults", body)
    assert (status, problem in text) == (400, True)
    assert (await control(at, "faults", how="GET"))[1]["waiting"] == {}


async def test_trouble_needs_the_pages_token_as_a_header(at: Served) -> None:
    """Another is refused, and a cookie alone is too, since browsers send it for other sites."""
    for how, path in (("GET", "faults"), ("POST", "faults"), ("DELETE", "faults"), ("POST", "limits")):
        assert (await control(at, path, {"method": "x"}, how, token="wrong"))[0] == 401
    async with aiohttp.ClientSession(cookies={"workspace": PAGE_TOKEN}) as session:
        assert (await session.post(f"{at.workspace.url}/control/faults", json={"method": "x"})).status == 401


async def test_slacks_own_limits_can_be_switched_on(at: Served) -> None:
    """Five messages at once in one channel, then 429 and how long to wait; whoever waits gets through."""
    assert (await control(at, "limits", {"is_on": True}))[1]["limits"]
    for number in range(5):
        await at.client.chat_postMessage(channel="C0OPS", text=str(number))
    heard: list[dict[str, Any]] = []
    at.workspace.state.listen(heard.append)
    response = await refused(at.client.chat_postMessage(channel="C0OPS", text="5"))
    assert heard == [{"type": "rate", "method": "chat.postMessage"}]
    assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
    assert (await at.client.chat_postMessage(channel="C0INCIDENTS", text="other"))["ok"]
    at.client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=3))
    await at.client.chat_postMessage(channel="C0OPS", text="5")
    assert at.texts("ops") == ["0", "1", "2", "3", "4", "5"]
    assert not (await control(at, "limits", {"is_on": False}))[1]["limits"]


async def test_a_limit_cannot_be_passed_by_another_name_of_the_channel() -> None:
    """Its id, its name, and its name with a # are one channel."""
    async with served(has_rate_limits=True) as at:
        answers = [
            await at.client.api_call("chat.postMessage", json={"channel": name, "text": "x"})
            for name in ("C0OPS", "ops", "#ops", "C0OPS", "ops")
        ]
        assert all(answer["ok"] for answer in answers)
        assert (await refused(at.client.chat_postMessage(channel="#ops", text="x"))).status_code == 429


async def test_the_workspace_is_as_it_was_after_a_restart(tmp_path: Path) -> None:
    """Messages, files and membership; an edit goes on where the message stood."""
    keeping = Keeping(tmp_path / "workspace.sqlite")
    async with served(keeping=keeping) as at:
        posted = await at.client.chat_postMessage(channel="ops", text="page")
        await at.client.conversations_join(channel="C0GENERAL")
        file = (await at.client.files_upload_v2(content=b"a,b", filename="a.csv", channel="C0OPS"))["files"][0]
    async with served(keeping=keeping) as at:
        assert (await at.client.chat_update(channel="C0OPS", ts=posted["ts"], text="page, edited"))["ok"]
        assert at.texts("ops") == ["page, edited", ""]
        assert (await at.client.files_info(file=file["id"]))["file"]["name"] == "a.csv"
        assert (await at.client.chat_postMessage(channel="general", text="x"))["ok"]


async def test_keeping_costs_little(tmp_path: Path) -> None:
    """A post to the file takes under 2 ms in the median, with a full channel and blocks."""
    async with served(keeping=Keeping(tmp_path / "workspace.sqlite")) as at:
        state = at.workspace.state
        channel, took = state.channel("ops"), list[float]()
        blocks = [
            {"type": "section", "block_id": str(n), "text": {"type": "mrkdwn", "text": "x" * 200}} for n in range(20)
        ]
        for number in range(2_200):
            began = time.perf_counter()
            state.post(channel, {"text": str(number), "blocks": blocks}, user_id="U0OPSBOT")
            took.append(time.perf_counter() - began)
            if number % 100 == 0:
                await asyncio.sleep(0)
    assert len(channel.messages) == 2_000
    assert statistics.median(took) < 0.002
