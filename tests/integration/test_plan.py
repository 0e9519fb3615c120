"""`opsbot plan` beside a real server and a real watch: it tells what is so, and changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.ports import free_port
from tests.support.serving_server import CONTROL_TOKEN, ServingServer, serving
from tests.support.waiting import until
from tests.support.watch_process import WatchProcess
from tests.support.watching import rule_text, write_rules

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
ALERT = {
    "version": "4",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "KVCachePressure", "severity": "high", "cluster": "local"},
            "annotations": {"opsbot_value": "0.97"},
            "startsAt": "2026-01-01T00:00:00Z",
        }
    ],
}
RUNBOOK = """\
version: 1
id: relieve
name: Relieve the cache
owner: oncall
mode: suggest
triggers: [{type: alert, match: {alertname: KVCachePressure}}]
inputs: {batch_limit: {type: integer, default: 2, min: 1, max: 64}}
steps:
  - id: limit
    name: Read the batch limit
    uses: prometheus.query
    with: {query: 'max(serving_batch_limit{cluster="${{ alert.labels.cluster }}"})'}
  - id: smaller
    name: Resize the batch
    uses: serving.set_batch
    if: steps.limit.outputs.value > 1
    with: {limit: "${{ inputs.batch_limit }}", mode: preempt}
    lease: 60s
    verify: {expr: max(serving_batch_limit) < 3, for: 3s, timeout: 45s, means: the batch is small}
"""


def state_of(server: ServingServer) -> list[Any]:
    """All that a dry run must leave as it is."""
    with server.client() as http:
        return [http.get(path).json() for path in ("/control/v1/knobs", "/control/v1/leases")]


def plan(folder: Path, *arguments: str, token: str = CONTROL_TOKEN) -> subprocess.CompletedProcess[str]:
    """The command, as a person runs it."""
    environment = {**os.environ, "SERVING_CONTROL_TOKEN": token}
    command = [sys.executable, "-m", "opsbot", "plan", str(folder / "relieve.yaml"), *arguments]
    command += ["--config", str(folder / "plan.yaml")]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


async def test_a_plan_tells_what_is_so_and_changes_nothing(tmp_path: Path) -> None:
    """Reading, condition, value before, knob and verdict come from the server; its state is the same afterwards."""
    (tmp_path / "relieve.yaml").write_text(RUNBOOK)
    (tmp_path / "alert.json").write_text(json.dumps(ALERT))
    rules = write_rules(tmp_path / "rules.yaml", rule_text())
    with serving(tmp_path / "journal.jsonl") as server:
        watch = WatchProcess(tmp_path, rules, {"local": server.url}, free_port())
        async with watch.living():
            settings = json.loads((tmp_path / "opsbot.yaml").read_text())
            people = [{"user": "U0ANNA", "roles": ["responder"]}]
            (tmp_path / "plan.yaml").write_text(json.dumps({**settings, "people": people}))
            alert = ("--alert", str(tmp_path / "alert.json"))

            def is_seen() -> bool:
                query = {"query": "serving_batch_limit > 0"}
                answer = httpx.get(f"http://127.0.0.1:{watch.port}/api/v1/query", params=query, trust_env=False)
                return bool(answer.json()["data"]["result"])

            before = state_of(server)
            await until(is_seen, 30.0)
            done = await asyncio.to_thread(plan, tmp_path, *alert, "--set", "batch_limit=4", "--as", "U0ANNA", "--json")
            found = json.loads(done.stdout)
            refused = await asyncio.to_thread(plan, tmp_path, *alert, token="wrong")
            assert state_of(server) == before
    limit, smaller = found["steps"]
    (now,) = (knob["in_force"] for knob in before[0]["knobs"] if knob["knob"] == "batch_limit")
    assert smaller["standing"] == "acts"
    assert smaller["calls"][0]["prior"] == {"in_force": now, "base": now, "num_leases": 0}
    assert smaller["calls"][0]["will_do"].startswith(f"set the batch limit of local from {now} to 4 for 1m at a time")
    assert smaller["locks"] == ["local/batch_limit"]
    assert smaller["verify"]["verdict"] == "fails"
    assert limit["calls"][0]["reading"].endswith(f" is {now}")
    assert smaller["consent"]["may"] is True
    assert (found["problems"], done.returncode) == ([], 0)
    assert refused.returncode == 1
    assert "was answered 401" in " ".join(refused.stdout.split())
