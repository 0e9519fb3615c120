"""Runbooks that see a whole fleet: four simulated clusters behind a real router, real requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from opsbot.workspace.app import Workspace
from tests.support.fleet_server import FleetServer, complete, fleet_serving, lease, state
from tests.support.proving import ADA, CORA, Ground, Trouble, grounded, state_of
from tests.support.traffic_process import traffic

pytestmark = [pytest.mark.runbooks, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

# A router that sends people on late: the one of somebody who has no view of KV caches and queues.
FILE = """
name: four
defaults: {gpu: h100, model: llama-3.1-8b, max_num_seqs: 8, max_model_len: 2048}
clusters:
  - {name: w, region: west, countries: [US, JP, IN, DE, BR, GB, FR, KR, ES, AU], count: 4}
router: {spill_kv: 1, spill_batch: 10, spill_wait: 10m}
limits: {fleet: 0.25, region: 1, model: 1}
"""
CLUSTERS = ("w-1", "w-2", "w-3", "w-4")
SLOW = "w-2"
SHORTER = {"traffic-shift": {"verify:half": "12s"}}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetServer]:
    """Four clusters alike; one of them may be out."""
    folder: Path = tmp_path_factory.mktemp("fleet")
    (folder / "four.yaml").write_text(FILE)
    (folder / "door.yaml").write_text("ramp: {steps: 5, step: 1s}\n")
    with fleet_serving(folder / "state", folder / "four.yaml", "--door", str(folder / "door.yaml")) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(
    fleet: FleetServer, workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ground]:
    """The bot over all four clusters."""
    folder = tmp_path_factory.mktemp("bot")
    clusters = {name: f"{fleet.url}/clusters/{name}" for name in CLUSTERS}
    settings = {"fleet": {"url": fleet.url}}
    async with grounded(
        folder, clusters, workspace, packs=("serving",), shorter=SHORTER, more_settings=settings
    ) as found:
        yield found


@pytest.fixture
def client(fleet: FleetServer) -> Iterator[httpx.Client]:
    """Somebody with the control token."""
    with fleet.client() as http:
        yield http


def share(client: httpx.Client, cluster: str) -> float:
    """What the router gives the cluster of its weight."""
    return float(state(client)[cluster]["weight"])


def end_now(client: httpx.Client, cluster: str, lease_id: str) -> None:
    """End a lease at once."""
    client.delete(f"/clusters/{cluster}/control/v1/leases/{lease_id}?now=true").raise_for_status()


async def queue(client: httpx.Client, cluster: str) -> float:
    """Requests that wait there, by its own metrics."""
    text = (await asyncio.to_thread(client.get, f"/clusters/{cluster}/metrics")).text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("vllm:num_requests_waiting{"))


async def test_traffic_shift(ground: Ground, fleet: FleetServer, client: httpx.Client) -> None:
    """One cluster is slow: half of its share is still too much, so it gets nothing, and its queue drains."""
    trouble = Trouble(ground, "ClusterOverloaded", cluster=SLOW)
    fault = lease(client, "fault.slow_step_ms", 100, cluster=SLOW, ttl_s=900).raise_for_status().json()
    load = ("--rate", "16", "--prompt-tokens", "32", "--max-tokens", "48", "--seed", "5")
    async with traffic(fleet.url, *load, "--max-outstanding", "150"):
        await ground.bot.until("a queue", lambda: queue(client, SLOW), lambda found: found > 15)
        since = await trouble.begin()
        half = await ground.approve("traffic-shift", "half", ADA, since=since)
        assert f" {SLOW}" in half["will_do"]
        await ground.until_step("traffic-shift", "half", "verifying", since=since)
        assert share(client, SLOW) == 0.5
        nothing = await ground.asked("traffic-shift", "nothing", since=since)
        assert (await ground.decide(nothing, ADA)).status_code == 403
        assert (await ground.decide(nothing, CORA)).status_code == 200
        await ground.until_step("traffic-shift", "nothing", "verifying", since=since)
        assert share(client, SLOW) == 0
        longest = await queue(client, SLOW)
        run = await ground.until_settled("traffic-shift", "holding", since=since, limit_s=180)
        assert state_of(run, "nothing") == "succeeded"
        left = await queue(client, SLOW)
        others = [await queue(client, name) for name in CLUSTERS if name != SLOW]
        print(f"seen: {longest:.0f} waited on {SLOW}, then {left:.0f}; on the others {others}")
        assert left < 5 <= longest
        assert max(others) < 5
        end_now(client, SLOW, fault["lease_id"])
        await trouble.end()
        await ground.until_ended("traffic-shift", "succeeded", since=since)
        await ground.bot.until("its weight is back", lambda: weight(client), lambda found: found == 1)
    await ground.until_at_base()
    await ground.until_quiet()


async def weight(client: httpx.Client) -> float:
    """What the slow one gets."""
    return share(client, SLOW)


async def test_recover_all(ground: Ground, client: httpx.Client) -> None:
    """After a bad night everything that people and runs have set on any cluster is put back, and what stays is said."""
    since = ground.now()
    set_by: dict[str, Any] = {"ttl_s": 900, "owner": "person:ada"}
    lease(client, "batch_limit", 2, cluster="w-1", **set_by).raise_for_status()
    lease(client, "token_budget", 64, cluster="w-2", **{**set_by, "owner": "run:gone"}).raise_for_status()
    lease(client, "shed", {"fraction": 0.5}, cluster="w-3", **set_by).raise_for_status()
    lease(client, "failwhale", {}, cluster="w-3", **set_by).raise_for_status()
    lease(client, "drain", cluster="w-4", **set_by).raise_for_status()
    lease(client, "route", {"where": "w-1", "factor": 0.5}, **set_by).raise_for_status()
    assert complete(client, root="/clusters/w-3").status_code == 503
    await ground.start("recover-all", ADA)
    request = await ground.asked("recover-all", "release", since=since)
    assert (await ground.decide(request, ADA)).status_code == 403
    assert len([one for name in CLUSTERS for one in ground.leases(name)]) == 5
    assert (await ground.decide(request, CORA)).status_code == 200
    await ground.until_ended("recover-all", "succeeded", since=since)
    await ground.until_at_base()
    knobs = {(name, knob["knob"]): knob for name in CLUSTERS for knob in ground.control("knobs", name)["knobs"]}
    assert {key for key, knob in knobs.items() if knob["leases"]} == set()
    assert {
        key for key, knob in knobs.items() if knob["kind"] == "number" and knob["in_force"] != knob["base"]
    } == set()
    await ground.bot.until("weights are back", lambda: weights(client), lambda found: found == [1, 1, 1, 1])
    assert [complete(client, root=f"/clusters/{name}").status_code for name in CLUSTERS] == [200] * 4
    view = await ground.incident_of("recover-all", since=since)
    assert view is not None
    stages = [entry["text"] for entry in view["timeline"] if entry["kind"] == "step.stage"]
    print("seen: 6 leases of 6 knobs on 4 clusters and the router,", stages)
    await ground.resolve(view, ADA)
    await ground.until_quiet()


async def weights(client: httpx.Client) -> list[float]:
    """What the router gives each cluster."""
    return [share(client, name) for name in CLUSTERS]
