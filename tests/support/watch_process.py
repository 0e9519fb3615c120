"""The watch role as a process of its own, to be killed and started again over the same folder."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.ports import free_port
from tests.support.watching import TOKEN

START_LIMIT_S = 30.0


@dataclass(slots=True)
class WatchProcess:
    """One watch role, started as `opsbot up` would start it.

    Args:
        targets: cluster and base URL of what it scrapes.
    """

    folder: Path
    rules: Path
    targets: dict[str, str]
    core_port: int
    port: int = field(default_factory=free_port)

    @property
    def data_dir(self) -> Path:
        """Where its files are."""
        return self.folder / "data"

    @property
    def log(self) -> str:
        """What it said, all lives together."""
        return (self.folder / "watch.log").read_text(encoding="utf-8", errors="replace")

    @asynccontextmanager
    async def living(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """One life, from when it answers; it is told to stop at the end unless the test killed it."""
        settings = {
            "version": 1,
            "data_dir": str(self.data_dir),
            "alert_rules": [str(self.rules)],
            "serving": [{"cluster": name, "url": url} for name, url in self.targets.items()],
            "core": {"port": self.core_port},
            "watch": {"port": self.port},
        }
        config = self.folder / "opsbot.yaml"
        config.write_text(json.dumps(settings), encoding="utf-8")
        command = (sys.executable, "-m", "opsbot", "watch", "--config", str(config))
        secrets = {"OPSBOT_API_TOKEN": TOKEN, "SERVING_CONTROL_TOKEN": "unused"}
        with (self.folder / "watch.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, stdout=log, stderr=log, env={**os.environ, **secrets}
            )
        try:
            await self._answers(process)
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), START_LIMIT_S)

    async def ask(self, path: str, **params: str) -> Any:
        """The data that it answers with."""
        async with httpx.AsyncClient(trust_env=False, timeout=30.0) as http:
            answer = await http.get(f"http://127.0.0.1:{self.port}{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def metrics(self) -> dict[str, float]:
        """Its own metrics that have no labels."""
        async with httpx.AsyncClient(trust_env=False) as http:
            text = (await http.get(f"http://127.0.0.1:{self.port}/metrics")).text
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("opsbot_") and "{" not in line]
        return {name: float(value) for name, value in lines}

    async def active(self, name: str) -> dict[str, Any] | None:
        """The only pending or firing alert of a rule."""
        for group in (await self.ask("/api/v1/rules"))["groups"]:
            for rule in group["rules"]:
                if rule["name"] == name and rule["alerts"]:
                    return dict(rule["alerts"][0])
        return None

    async def _answers(self, process: asyncio.subprocess.Process) -> None:
        async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(START_LIMIT_S):
            while True:
                assert process.returncode is None, self.log
                try:
                    await http.get(f"http://127.0.0.1:{self.port}/-/healthy")
                except httpx.HTTPError:
                    await asyncio.sleep(0.05)
                else:
                    return
