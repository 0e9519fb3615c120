"""The stage of the fleet's demo: the shipped fleet with a launch day, and the watch role over all its clusters."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from opsbot.demo.processes import Processes, free_port, is_port_free
from opsbot.demo.show import DemoBroken
from opsbot.demo.stage import NotStarted

POLL_S = 0.5
_NUMBERS = count(1)

Json = Mapping[str, Any]


class CommandFailed(DemoBroken):
    """A command of the demo left with an error; the message has the end of what it said."""


class FleetStage:
    """Everything that runs, and the ways to look at it and touch it; all of them are public ones.

    Args:
        day_s: seconds that the launch day takes.
    """

    def __init__(self, folder: Path, port: int, day_s: float, seed: int) -> None:
        self._folder = folder
        self._day_s = day_s
        self._seed = seed
        self._token = secrets.token_urlsafe(24)
        self._port = port if is_port_free(port) else free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.charts = folder / "charts"
        self._http = httpx.AsyncClient(
            base_url=self.url, timeout=20.0, trust_env=False, headers={"Authorization": f"Bearer {self._token}"}
        )
        self.processes = Processes(
            folder / "logs", {"SERVING_CONTROL_TOKEN": self._token, "OPSBOT_API_TOKEN": secrets.token_urlsafe(24)}
        )
        self._config = folder / "opsbot.yaml"

    async def start_fleet(self, limit_s: float) -> None:
        """Start the fleet; its launch day begins when it answers.

        Raises: NotStarted, ProcessDied.
        """
        await self.processes.start(
            "fleet",
            "serving_stub",
            [
                "fleet",
                "--port", str(self._port),
                "--state-dir", str(self._folder / "leases"),
                "--scenario", "launch_day",
                "--duration", str(self._day_s),
                "--seed", str(self._seed),
            ],
        )  # fmt: skip
        give_up_at = time.monotonic() + limit_s
        while not await self._is_up():
            self.require_alive()
            if time.monotonic() > give_up_at:
                raise NotStarted(f"{self.url}/health did not answer in time")
            await asyncio.sleep(POLL_S)

    async def start_watch(self) -> None:
        """Start the watch role over every cluster that the fleet names."""
        clusters = await self.clusters()
        settings: dict[str, Any] = {
            "version": 1,
            "data_dir": str(self._folder / "data"),
            # Nobody is there to be told.
            "alert_rules": ["policies/alerts/serving.yaml"],
            "serving": [{"cluster": name, "url": f"{self.url}/clusters/{name}"} for name in clusters],
            "core": {"port": free_port()},
            "watch": {"port": free_port()},
            "events": {"port": free_port()},
        }
        self._config.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        await self.processes.start("watch", "opsbot", ["watch", "--config", str(self._config)])

    def require_alive(self) -> None:
        """Raises: ProcessDied if the fleet or watch left."""
        for process in self.processes.started:
            process.require_alive()

    async def close(self) -> None:
        """Stop every process."""
        await self._http.aclose()
        await self.processes.stop_all()

    # -- looking

    async def clusters(self) -> dict[str, Json]:
        """What the router sees, by cluster."""
        answer = (await self._http.get("/clusters")).raise_for_status()
        return {one["name"]: one for one in answer.json()["clusters"]}

    async def sums(self, *labels: str, name: str) -> dict[tuple[str, ...], float]:
        """A metric of the router, summed by *labels*."""
        answer = (await self._http.get("/metrics")).raise_for_status()
        found: dict[tuple[str, ...], float] = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                if sample.name == name:
                    key = tuple(sample.labels[label] for label in labels)
                    found[key] = found.get(key, 0.0) + sample.value
        return found

    async def has_metrics(self, name: str) -> bool:
        """Whether a cluster's own /metrics has what a vLLM's has."""
        answer = await self._http.get(f"/clusters/{name}/metrics")
        return answer.is_success and "vllm:kv_cache_usage_perc" in answer.text

    # -- touching

    async def ask(self, country: str, model: str) -> httpx.Response:
        """One real chat completion through the router."""
        body = {"model": model, "messages": [{"role": "user", "content": "Is it you?"}], "max_tokens": 8}
        return await self._http.post("/v1/chat/completions", json=body, headers={"cf-ipcountry": country})

    async def lease(self, knob: str, value: Any = None, *, cluster: str | None = None) -> httpx.Response:
        """Ask a cluster's control API for a lease, or the fleet's own."""
        root = "" if cluster is None else f"/clusters/{cluster}"
        body = {
            "knob": knob,
            "ttl_s": 600,
            "owner": "demo",
            "reason": "the demo shows it",
            "idempotency_key": f"demo-{next(_NUMBERS)}",
            "on_end": "release",
            "stack": True,
        }
        return await self._http.post(
            f"{root}/control/v1/leases", json=body if value is None else {**body, "value": value}
        )

    async def release(self, granted: httpx.Response, *, cluster: str | None = None) -> None:
        """End a lease now."""
        root = "" if cluster is None else f"/clusters/{cluster}"
        path = f"{root}/control/v1/leases/{granted.json()['lease_id']}"
        (await self._http.delete(path, params={"now": "true"})).raise_for_status()

    async def readmit(self, cluster: str) -> None:
        """Take a drained cluster back."""
        body = {"owner": "demo", "reason": "the demo is over", "idempotency_key": f"demo-{next(_NUMBERS)}"}
        (await self._http.post(f"/clusters/{cluster}/control/v1/readmit", json=body)).raise_for_status()

    async def capacity(self, *arguments: str) -> str:
        """`opsbot capacity …`; what it printed."""
        return await self._run("opsbot", "capacity", *arguments, "--config", str(self._config))

    async def virtual_day(self, seconds: float) -> str:
        """The same day in virtual time; the table."""
        return await self._run(
            "serving_stub", "fleet", "--virtual", "--scenario", "launch_day",
            "--duration", str(seconds), "--seed", str(self._seed),
        )  # fmt: skip

    async def _run(self, module: str, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, complaint = await process.communicate()
        if process.returncode:
            end = complaint.decode(errors="replace").strip()[-500:]
            raise CommandFailed(f"{module} {' '.join(arguments)} left with status {process.returncode}: {end}")
        return said.decode()

    async def _is_up(self) -> bool:
        try:
            return (await self._http.get("/health", timeout=2.0)).is_success
        except httpx.HTTPError:
            return False
