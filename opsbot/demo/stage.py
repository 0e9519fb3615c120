"""The demo's stage: the model server, the workspace and the bot as processes with tokens of their own."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from opsbot.demo.observe import Observer
from opsbot.demo.person import PageVisitor
from opsbot.demo.processes import Process, Processes, free_port, is_port_free
from opsbot.demo.show import DemoBroken

# Sized so that pressure is real on two cores: a full batch needs three times the pool (bench/batch_limit.py).
MAX_NUM_SEQS = 24
NUM_BLOCKS = 160
PROMPT_TOKENS = 160
MAX_TOKENS = 160
MAX_OUTSTANDING = 40

TRAFFIC_S = 900
POLL_S = 0.3


class NotStarted(DemoBroken):
    """A process of the demo does not answer in time."""


class Stage:
    """Everything that runs, and the ways to look at it and touch it."""

    def __init__(self, folder: Path, page_port: int) -> None:
        self._folder = folder
        self._tokens = {
            "control": secrets.token_urlsafe(24),
            "api": secrets.token_urlsafe(24),
            "bot": f"xoxb-local-{secrets.token_urlsafe(16)}",
            "app": f"xapp-local-{secrets.token_urlsafe(16)}",
            "page": secrets.token_urlsafe(24),
        }
        self._server_port = free_port()
        self._core_port = free_port()
        self._page_port = page_port if is_port_free(page_port) else free_port()
        self._server_url = f"http://127.0.0.1:{self._server_port}"
        self._core_url = f"http://127.0.0.1:{self._core_port}"
        self._slack_url = f"http://127.0.0.1:{self._page_port}"
        self.page_url = f"{self._slack_url}/?token={self._tokens['page']}"
        self.processes = Processes(
            folder / "logs",
            {
                "SERVING_CONTROL_TOKEN": self._tokens["control"],
                "OPSBOT_API_TOKEN": self._tokens["api"],
                "SLACK_BOT_TOKEN": self._tokens["bot"],
                "SLACK_APP_TOKEN": self._tokens["app"],
                "SLACK_API_URL": f"{self._slack_url}/api/",
                "OPSBOT_WORKSPACE_PAGE_TOKEN": self._tokens["page"],
            },
        )
        self.observer = Observer(self._server_url, self._core_url, self._slack_url, self._tokens)
        self.visitor = PageVisitor(self._slack_url, self._tokens["page"])

    async def start(self, limit_s: float) -> None:
        """Start everything; the bot last, when the others answer, so that its first look finds a server.

        Raises: NotStarted, ProcessDied.
        """
        config_path = self._write_settings()
        give_up_at = time.monotonic() + limit_s
        await self.processes.start(
            "server",
            "serving_stub",
            [
                "--port", str(self._server_port),
                "--model", "smollm2",
                "--max-num-seqs", str(MAX_NUM_SEQS),
                "--num-blocks", str(NUM_BLOCKS),
                "--journal", str(self._folder / "leases.jsonl"),
            ],
        )  # fmt: skip
        await self.processes.start("workspace", "opsbot", ["workspace", "--config", str(config_path)])
        await self._until_up([f"{self._server_url}/health", f"{self._slack_url}/health"], give_up_at)
        await self.processes.start("bot", "opsbot", ["up", "--config", str(config_path)])
        await self._until_up([f"{self._core_url}/healthz"], give_up_at)

    async def start_traffic(self, scenario: str, rate: float, seed: int) -> Process:
        """Send requests to the server until stopped: *rate* a second, seeded."""
        return await self.processes.start(
            f"traffic-{scenario}",
            "serving_stub",
            [
                "traffic",
                "--url", self._server_url,
                "--scenario", scenario,
                "--rate", str(rate),
                "--seed", str(seed),
                "--duration", str(TRAFFIC_S),
                "--max-outstanding", str(MAX_OUTSTANDING),
                "--prompt-tokens", str(PROMPT_TOKENS),
                "--max-tokens", str(MAX_TOKENS),
                "--drain",
                "--drain-timeout", "5",
            ],
        )  # fmt: skip

    def require_alive(self) -> None:
        """Raises: ProcessDied if the server, the workspace or the bot left."""
        for process in self.processes.started:
            if not process.name.startswith("traffic"):
                process.require_alive()

    async def close(self) -> None:
        """Stop every process."""
        await self.visitor.close()
        await self.observer.close()
        await self.processes.stop_all()

    async def _until_up(self, urls: Sequence[str], give_up_at: float) -> None:
        for url in urls:
            while not await self.observer.is_up(url):
                self.require_alive()
                if time.monotonic() > give_up_at:
                    raise NotStarted(f"{url} did not answer in time")
                await asyncio.sleep(POLL_S)

    def _write_settings(self) -> Path:
        settings: dict[str, Any] = {
            "version": 1,
            "data_dir": str(self._folder / "data"),
            # The story is about one alert; what else an overload brings about would tell others beside it.
            "alert_rules": ["policies/alerts/serving.yaml"],
            "serving": [{"cluster": "local", "url": self._server_url}],
            "workspace": {"port": self._page_port},
            "core": {"port": self._core_port},
            "watch": {"port": free_port()},
            "events": {"port": free_port()},
            "utilisation": {"post": {"every": "2m"}},
            "people": [
                {"user": "U0ONCALL", "roles": ["responder"]},
                {"user": "U0COMMANDER", "roles": ["commander"]},
            ],
        }
        path = self._folder / "opsbot.yaml"
        path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        return path
