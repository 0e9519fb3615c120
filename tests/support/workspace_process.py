"""`opsbot workspace` as a process of its own, which can be killed and started again over the same folder."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from tests.support.ports import free_port

BOT_TOKEN, APP_TOKEN = "xoxb-process", "xapp-process"
START_LIMIT_S = 60.0


@dataclass
class WorkspaceProcess:
    """Its folder and port stay the same over all of its lives."""

    folder: Path
    port: int = field(default_factory=free_port)

    @property
    def kept(self) -> Path:
        """Where it keeps its state."""
        return self.folder / "data" / "workspace.sqlite"

    @property
    def log(self) -> str:
        """What it said, all lives together."""
        return (self.folder / "workspace.log").read_text(encoding="utf-8", errors="replace")

    def client(self) -> AsyncWebClient:
        """Slack's client with the bot's token."""
        return AsyncWebClient(BOT_TOKEN, base_url=f"http://127.0.0.1:{self.port}/api/")

    @asynccontextmanager
    async def living(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """One life, from when it answers; it is told to stop at the end unless the test killed it."""
        settings = {
            "version": 1,
            "data_dir": str(self.folder / "data"),
            "serving": [{"cluster": "unused", "url": "http://127.0.0.1:1"}],
            "workspace": {"port": self.port},
        }
        config = self.folder / "opsbot.yaml"
        config.write_text(json.dumps(settings), encoding="utf-8")
        tokens = {"SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_APP_TOKEN": APP_TOKEN}
        with (self.folder / "workspace.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "opsbot", "workspace", "--config", str(config)),
                stdout=log,
                stderr=log,
                env={**os.environ, **tokens},
            )
        try:
            await self._answers(process)
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), START_LIMIT_S)

    async def _answers(self, process: asyncio.subprocess.Process) -> None:
        async with aiohttp.ClientSession() as http, asyncio.timeout(START_LIMIT_S):
            while True:
                assert process.returncode is None, self.log
                try:
                    async with http.get(f"http://127.0.0.1:{self.port}/health"):
                        return
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)
