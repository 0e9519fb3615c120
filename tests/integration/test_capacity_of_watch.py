"""`opsbot capacity` where no Prometheus is set: it asks watch's own query API, over HTTP, with watch's 15 minutes."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from opsbot.clock import SystemClock
from opsbot.history.file import Batch, Limits
from opsbot.history.keeper import HistoryKeeper
from opsbot.promql.samples import SampleStore
from opsbot.watch.past import Past
from opsbot.watch.query_api import QueryApi
from tests.support.history import block, series
from tests.support.ports import free_port
from tests.support.watching import put, served

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SETTINGS = """\
version: 1
data_dir: {folder}/data
serving: [{{cluster: eu, url: "http://127.0.0.1:9"}}]
watch: {{port: {port}}}
capacity: {{catalogue: {root}/serving_stub/roofline/catalogue.yaml}}
"""
EVERY_S, KEPT_S = 5, 900
PROMPT_PER_S, ANSWER_PER_S = 30.0, 5.0


class View:
    """What capacity does not ask for."""

    def exposition(self) -> str:
        return ""

    def target_list(self) -> Sequence[Mapping[str, object]]:
        return []

    def source_list(self) -> Sequence[Mapping[str, object]]:
        return []

    def rule_groups(self) -> Sequence[Mapping[str, object]]:
        return []


def watched() -> SampleStore:
    """15 minutes of an even load: 35 tokens a second, a quarter of the batch, a tenth of an H100's arithmetic."""
    store, now = SampleStore(KEPT_S), time.time()
    labels = {"cluster": "eu", "instance": "eu:8000", "model_name": "llama-3.1-8b", "engine": "0"}
    growing = {
        "vllm:prompt_tokens_total": PROMPT_PER_S,
        "vllm:generation_tokens_total": ANSWER_PER_S,
        "vllm:estimated_flops_per_gpu_total": 98.95e12,
        "vllm:iteration_tokens_total_count": 100.0,
        "vllm:estimated_read_bytes_per_gpu_total": 1.675e12,
        "vllm:estimated_write_bytes_per_gpu_total": 0.0,
    }
    level = {"vllm:kv_cache_usage_perc": 0.2, "vllm:num_requests_running": 16.0, "serving_batch_limit": 64.0}
    # Into the future too, so that a slow machine does not find the load ended.
    for passed in range(0, KEPT_S + 300, EVERY_S):
        at = now - KEPT_S + passed
        for name, per_s in growing.items():
            put(store, name, labels, (at, per_s * passed))
        for name, value in level.items():
            put(store, name, labels, (at, value))
        put(store, "serving_device_info", {**labels, "device": "h100"}, (at, 1.0))
    return store


async def opsbot(*arguments: str | Path, status: int = 0) -> str:
    """What the command prints, on the stream that fits its exit status."""
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "opsbot", *map(str, arguments),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, failed = await done.communicate()
    assert done.returncode == status, failed.decode()
    return (failed if status else told).decode()


def settings(folder: Path, port: int) -> Path:
    """Those of a bot without a Prometheus, whose watch answers at *port*."""
    path = folder / "opsbot.yaml"
    path.write_text(SETTINGS.format(folder=folder, port=port, root=ROOT))
    return path


async def test_watch_answers_every_query_of_capacity(tmp_path: Path) -> None:
    """What it scraped, in tokens a minute and shares; forecasts are kept, and scored with watch's answers."""
    port = free_port()
    path = settings(tmp_path, port)
    async with served(QueryApi(Past(watched(), None), SystemClock(), View()).app, port):
        found: dict[str, Any] = json.loads(await opsbot("capacity", "--config", path, "--json"))
        assert "lie ahead" in await opsbot("capacity", "score", "--config", path)
    (cluster,) = found["clusters"]
    assert (cluster["cluster"], cluster["model"]) == ("eu", "llama-3.1-8b")
    assert cluster["tokens_per_min"] == pytest.approx(60 * (PROMPT_PER_S + ANSWER_PER_S), rel=1e-3)
    assert cluster["bounds"]["KV"] == pytest.approx(0.2)
    assert cluster["bounds"]["batch"] == pytest.approx(0.25)
    assert cluster["bounds"]["compute"] == pytest.approx(0.1, rel=1e-3)
    assert cluster["bounds"]["bandwidth"] == pytest.approx(0.164, abs=1e-3)
    assert (cluster["bound"], cluster["at_most"], cluster["not_known"]) == ("batch", [], {})
    assert cluster["history_s"] == pytest.approx(840, abs=15)
    assert cluster["sentence"].startswith("tok/min ")


async def test_a_longer_look_back_says_how_much_there_was(tmp_path: Path) -> None:
    """Watch keeps 15 minutes: neither silence nor a trend over days that nobody saw."""
    port = free_port()
    path = settings(tmp_path, port)
    async with served(QueryApi(Past(watched(), None), SystemClock(), View()).app, port):
        told = await opsbot("capacity", "--config", path, "--no-record", "--window", "2h")
        days = await opsbot("capacity", "--config", path, "--no-record", "--window", "14d")
    assert re.search("the source knows at most 1[45] minutes of the 2 hours looked back over", told)
    assert "tok/min shows no clear trend" in told  # and does not take the filling of the first range for growth
    assert "too few readings for a trend" in days
    assert "of the 14 days looked back over" in days


async def test_days_of_trend_come_from_the_history(tmp_path: Path) -> None:
    """A load that grew over 20 hours is seen to grow, from what watch kept on disk."""
    now, port = time.time(), free_port()
    start_s, num_steps = (now - 20 * 3600) // 10 * 10, 20 * 360
    labels = {"cluster": "eu", "instance": "eu:8000", "model_name": "llama-3.1-8b", "engine": "0"}
    tokens = series("vllm:generation_tokens_total", **labels)
    grown = [100.0 * step + step * step / 20 for step in range(num_steps)]
    keeper = HistoryKeeper(tmp_path / "history.sqlite", Limits())
    keeper.take([Batch('["eu","url"]', block([start_s + 10 * step for step in range(num_steps)], {tokens: grown}))])
    await keeper.written(now)
    path = settings(tmp_path, port)
    async with served(QueryApi(Past(SampleStore(KEPT_S), keeper), SystemClock(), View()).app, port):
        told = json.loads(await opsbot("capacity", "--config", path, "--no-record", "--window", "18h", "--json"))
    keeper.close(now)
    (cluster,) = told["clusters"]
    assert cluster["history_s"] == pytest.approx(18 * 3600, rel=0.01)
    per_min = 6 * (100 + num_steps / 10)
    assert cluster["tokens_per_min"] == pytest.approx(per_min, rel=0.02)


async def test_without_watch_it_says_what_starts_it(tmp_path: Path) -> None:
    """One line, and exit status 1."""
    told = await opsbot("capacity", "--config", settings(tmp_path, free_port()), status=1)
    assert "does not answer" in told
    assert "`opsbot up` starts it" in told
    assert len(told.splitlines()) == 1
