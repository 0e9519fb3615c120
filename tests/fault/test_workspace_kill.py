"""The local workspace is killed or finds its file damaged: what it answered is there, and it always starts."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import aiohttp
import pytest

from tests.support.workspace_process import WorkspaceProcess

pytestmark = pytest.mark.fault


async def test_what_was_answered_outlives_a_kill(tmp_path: Path) -> None:
    """SIGKILL while messages come in as fast as they can: what was answered is there, once."""
    workspace = WorkspaceProcess(tmp_path)
    client, answered = workspace.client(), list[str]()
    is_busy = asyncio.Event()
    client.retry_handlers.clear()

    async def post_on() -> None:
        with contextlib.suppress(aiohttp.ClientError):
            for number in range(100_000):
                answered.append((await client.chat_postMessage(channel="ops", text=str(number)))["ts"])
                if len(answered) == 100:
                    is_busy.set()

    async with workspace.living() as process:
        posting = asyncio.create_task(post_on())
        await is_busy.wait()
        process.kill()
        await posting
    async with workspace.living():
        messages = (await client.conversations_history(channel="C0OPS", limit=1000))["messages"]
        times = [message["ts"] for message in reversed(messages)]
        assert times[: len(answered)] == answered[-1000:]
        assert len(times) - len(answered) in (0, 1)
        fresh = (await client.chat_postMessage(channel="ops", text="new"))["ts"]
        assert float(fresh) > float(times[-1])


async def test_a_damaged_file_does_not_stop_it(tmp_path: Path) -> None:
    """It begins anew, says so, and keeps what it found."""
    workspace = WorkspaceProcess(tmp_path)
    async with workspace.living():
        await workspace.client().chat_postMessage(channel="ops", text="x")
    workspace.kept.write_bytes(b"this was a database once" * 100)
    async with workspace.living():
        assert (await workspace.client().conversations_history(channel="C0OPS"))["messages"] == []
        assert (await workspace.client().chat_postMessage(channel="ops", text="y"))["ok"]
    (aside,) = workspace.kept.parent.glob("workspace.sqlite.damaged-*")
    assert aside.name in workspace.log
