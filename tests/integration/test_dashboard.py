"""The Grafana dashboard over a real server and real roles: every metric it names is exposed, every query answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from opsbot.promql.syntax import metric_names, parse
from opsbot.workspace.app import running
from opsbot.workspace.settings import WorkspaceSettings
from tests.support.bot import Bot
from tests.support.dashboard import dashboard, queries
from tests.support.runs import set_batch
from tests.support.serving_server import ServingServer, serving
from tests.support.waiting import LIMIT_S

pytestmark = [pytest.mark.integration, pytest.mark.long]

RULES = """
groups:
  - name: test
    rules:
      - alert: Waiting
        expr: vllm:num_requests_waiting > 1000
        labels: {severity: high}
"""
OF_MORE_TRAFFIC = {"Turned away", "Leases in force"}
"""Panels whose series begin with the first request that is refused, and the first lease."""


class World:
    """A serving stub with some traffic behind it, and the whole bot."""

    def __init__(self, server: ServingServer, bot: Bot, folder: Path) -> None:
        settings = yaml.safe_load((folder / "opsbot.yaml").read_text(encoding="utf-8"))
        self.watch_url = f"http://127.0.0.1:{settings['watch']['port']}"
        roles = [f"http://127.0.0.1:{settings[role]['port']}" for role in ("core", "watch", "events")]
        self.urls = [server.url, *roles]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """All of it, after a few answers, an incident, and enough rounds for a rate."""
    with serving(tmp_path / "leases.jsonl", "--max-num-seqs", "4") as server:
        async with running(WorkspaceSettings("xoxb-l", "xapp-l", "p", port=0)) as workspace:
            bot = Bot(tmp_path, server.url, workspace, set_batch(mode="observe"), RULES)
            try:
                await bot.start()
                await bot.alert("KVCachePressure")
                await asyncio.to_thread(_answer_some, server)
                world = World(server, bot, tmp_path)
                await bot.until("rates of the bot's own", lambda: _query(world, RATE_OF_CORE), bool)
                yield world
            finally:
                await bot.close()


RATE_OF_CORE = "rate(opsbot_deliveries_total[1m]) and on () rate(opsbot_events_accepted_total[1m]) >= 0"


def _answer_some(server: ServingServer) -> None:
    with server.client() as http:
        for _ in range(4):
            body = {"model": "tiny", "prompt": "hello there", "max_tokens": 8}
            http.post("/v1/completions", json=body).raise_for_status()


async def _query(world: World, expr: str) -> Any:
    async with httpx.AsyncClient(trust_env=False, timeout=LIMIT_S) as http:
        answer = await http.get(f"{world.watch_url}/api/v1/query", params={"query": expr})
    assert answer.status_code == 200, f"{expr}: {answer.text}"
    return answer.json()["data"]["result"]


async def _range(world: World, expr: str) -> Any:
    """As Grafana asks for a chart."""
    now = int(time.time())
    given = {"query": expr, "start": now - 60, "end": now, "step": 5}
    async with httpx.AsyncClient(trust_env=False, timeout=LIMIT_S) as http:
        answer = await http.post(f"{world.watch_url}/api/v1/query_range", data=given)
    assert answer.status_code == 200, f"{expr}: {answer.text}"
    return answer.json()["data"]["result"]


async def test_every_query_of_the_dashboard_finds_something(world: World) -> None:
    """Asked of watch as Grafana asks, each query yields series; and each metric that is named is really exposed."""
    exposed = {"up"}
    async with httpx.AsyncClient(trust_env=False) as http:
        for url in world.urls:
            for family in text_string_to_metric_families((await http.get(f"{url}/metrics")).text):
                suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
                exposed |= {family.name + suffix for suffix in suffixes}
    asked = queries(dashboard())
    assert len(asked) > 40
    named = {name for _, expr in asked for name in metric_names(parse(expr))}
    assert named - exposed == set()
    empty = {title for title, expr in asked if not await _query(world, expr)}
    assert empty <= OF_MORE_TRAFFIC
    for title, expr in asked:
        assert await _range(world, expr) or title in OF_MORE_TRAFFIC
