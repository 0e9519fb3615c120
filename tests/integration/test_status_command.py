"""`opsbot status` as its users run it, over watch's query API and a real control API."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import pytest

from opsbot.clock import SystemClock
from opsbot.watch.past import Past
from opsbot.watch.query_api import QueryApi
from tests.integration.test_vitals import SAMPLES
from tests.support.fleet_samples import store_of
from tests.support.ports import free_port
from tests.support.serving_server import CONTROL_TOKEN, serving
from tests.support.watching import NoView, served

pytestmark = pytest.mark.integration


async def opsbot(config: Path, *arguments: str, status: int = 0) -> tuple[str, str]:
    """What the command prints, and what it says beside it."""
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "opsbot", "status", "--config", str(config), *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "SERVING_CONTROL_TOKEN": CONTROL_TOKEN, "COLUMNS": "120"},
    )  # fmt: skip
    told, failed = await done.communicate()
    assert done.returncode == status, failed.decode()
    return told.decode(), failed.decode()


def settings(folder: Path, port: int, url: str) -> Path:
    """Two clusters of which watch has samples of one; the server knows both their leases."""
    path = folder / "opsbot.yaml"
    path.write_text(
        f"version: 1\ndata_dir: {folder}/data\nwatch: {{port: {port}}}\n"
        f'serving: [{{cluster: eu-1, url: "{url}"}}, {{cluster: sa-1, url: "{url}"}}]\n'
    )
    return path


async def test_the_fleet_is_shown_with_its_leases(tmp_path: Path) -> None:
    """A row for each cluster, what needs eyes first, and the lease below; JSON says the same, null where unknown."""
    port = free_port()
    with serving(tmp_path / "journal") as server:
        body = {
            "knob": "batch_limit", "value": 8, "ttl_s": 600, "owner": "ann", "reason": "test",
            "idempotency_key": "one", "stack": True,
        }  # fmt: skip
        with server.client() as http:
            http.post("/control/v1/leases", json=body).raise_for_status()
        config = settings(tmp_path, port, server.url)
        api = QueryApi(Past(store_of(SAMPLES, time.time()), None), SystemClock(), NoView())
        async with served(api.app, port):
            told, _ = await opsbot(config)
            found = json.loads((await opsbot(config, "--json"))[0])
    rows = [line.split() for line in told.splitlines() if line.strip().startswith(("sa-1", "eu-1", "us-1", "ap-1"))]
    assert [row[0] for row in rows] == ["ap-1", "sa-1", "eu-1", "us-1"]
    assert "blind: 0 of 1 targets answer" in told
    assert "32 of 32" in told
    assert "93% ↗" in told
    assert "lease on sa-1: batch_limit 8 by ann, 10 min left" in told
    clusters = {one["cluster"]: one for one in found["clusters"]}
    assert found["missing"] == []
    assert clusters["eu-1"]["kv_ratio"] == 0.93
    assert clusters["sa-1"]["kv_ratio"] is None
    assert clusters["sa-1"]["leases"][0]["owner"] == "ann"
    assert clusters["us-1"]["batch_limit"] is None


async def test_without_a_source_it_says_what_is_not_known(tmp_path: Path) -> None:
    """The clusters stand there all the same, and the exit status tells programs."""
    told, failed = await opsbot(settings(tmp_path, free_port(), f"http://127.0.0.1:{free_port()}"), status=1)
    assert told.count("blind: no samples") == 2
    assert "not known: all numbers: the metrics source" in failed
    assert "not known: leases of eu-1, sa-1: " in failed
