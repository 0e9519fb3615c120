"""Runbooks for a server that is asked for more than it gives, or gives less than it could, on a real engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml

from opsbot.workspace.app import Workspace
from tests.support.door import ask, code_of, counted, grant, leased, tenants_file
from tests.support.proving import ADA, BEN, CORA, Ground, Trouble, grounded, state_of
from tests.support.serving_server import ServingServer, serving
from tests.support.traffic_process import traffic

pytestmark = [pytest.mark.runbooks, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

BATCH, STEP_MS = 16, 60
"""Together with answers of 32 tokens: about eight requests a second."""
USUAL = ("--prompt-tokens", "32", "--max-tokens", "32", "--retries", "never", "--seed", "5")
FREE, PAID = [f"sk-free-{number}" for number in range(80)], [f"sk-paid-{number}" for number in range(16)]
SHORTER = {
    "queue-overload": {"verify:tenth": "12s", "verify:third": "12s"},
    "ttft-burn": {"verify:shed_some": "12s", "cooldown": "1s"},
    "capacity-exhausted": {"announce": "5s"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server's files and the keys of its users are."""
    found = tmp_path_factory.mktemp("load")
    keys = dict.fromkeys(FREE, "free") | dict.fromkeys(PAID, "paid")
    classes: list[dict[str, object]] = [
        {"name": "free", "priority": 10, "deadline": "60s"},
        {"name": "paid", "deadline": "60s"},
    ]
    tenants_file(found, keys, classes=classes)
    (found / "door.yaml").write_text("ramp: {steps: 5, step: 1s}\nenrich: {trusted_proxies: [127.0.0.0/8]}\n")
    entries = [{"key": key, "tenant": f"org-{name}", "class": name} for key, name in keys.items()]
    (found / "keys.yaml").write_text(yaml.safe_dump({"keys": entries}))
    return found


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServingServer]:
    """Two classes of tenants, and room for all in the KV cache."""
    arguments = ("--max-num-seqs", str(BATCH), "--num-blocks", "256", "--tenants", str(folder / "tenants.yaml"))
    with serving(folder / "leases.jsonl", *arguments, "--door", str(folder / "door.yaml")) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(
    server: ServingServer, workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ground]:
    """The bot; alerts are posted, since the rules for these troubles wait for minutes."""
    folder = tmp_path_factory.mktemp("bot")
    async with grounded(folder, {"local": server.url}, workspace, packs=("serving",), shorter=SHORTER) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def slow(server: ServingServer) -> AsyncIterator[None]:
    """Steps that take as long as a large model's."""
    with leased(server, "fault.slow_step_ms", STEP_MS, ttl_s=900):
        yield


@pytest.fixture
def load(folder: Path) -> tuple[str, ...]:
    """Whose requests they are, and how long."""
    return ("--keys", str(folder / "keys.yaml"), *USUAL)


async def waiting(server: ServingServer) -> float:
    """Requests in the queue."""
    return counted(server, "vllm:num_requests_waiting")


async def until_queue(ground: Ground, server: ServingServer, least: int) -> None:
    """Wait for a queue."""
    await ground.bot.until(f"{least} wait", lambda: waiting(server), lambda found: found >= least)


async def share_shed(ground: Ground, server: ServingServer, seconds: float, **labels: str) -> float:
    """The share of requests that the door turns away by shedding, over the next *seconds*."""
    shed = counted(server, "frontdoor_requests_shed_total", reason="shed", **labels)
    came = counted(server, "frontdoor_requests_total", **labels)
    await ground.sleep(seconds)
    more = counted(server, "frontdoor_requests_shed_total", reason="shed", **labels) - shed
    return more / (counted(server, "frontdoor_requests_total", **labels) - came)


async def end(ground: Ground, trouble: Trouble, runbook_id: str) -> None:
    """The alert ends: the run lets go of everything, and nothing is left."""
    await trouble.end()
    await ground.until_ended(runbook_id, "succeeded", since=trouble.since)
    await ground.until_at_base()
    await ground.until_quiet()


async def test_queue_overload(ground: Ground, server: ServingServer, slow: None, load: tuple[str, ...]) -> None:
    """A tenth and a third are not enough; two thirds are. Nobody who pays is turned away."""
    trouble = Trouble(ground, "QueueGrows")
    async with traffic(server.url, *load, "--rate", "16", "--max-outstanding", "60"):
        await until_queue(ground, server, 30)
        since = await trouble.begin()
        await ground.approve("queue-overload", "tenth", ADA, since=since)
        await ground.until_step("queue-overload", "tenth", "verifying", since=since)
        tenth = await share_shed(ground, server, 8)
        await ground.approve("queue-overload", "third", BEN, since=since)
        await ground.until_step("queue-overload", "third", "verifying", since=since)
        third = await share_shed(ground, server, 8)
        assert counted(server, "vllm:num_requests_waiting") >= 5
        last = await ground.asked("queue-overload", "most", since=since)
        assert (await ground.decide(last, ADA)).status_code == 403
        assert (await ground.decide(last, CORA)).status_code == 200
        await ground.until_step("queue-overload", "most", "verifying", since=since)
        most = await share_shed(ground, server, 8)
        run = await ground.until_settled("queue-overload", "holding", since=since)
        assert [state_of(run, step) for step in ("tenth", "third", "most")] == [
            "not_verified", "not_verified", "succeeded",
        ]  # fmt: skip
        left = counted(server, "vllm:num_requests_waiting")
        print(f"seen: shed {tenth:.0%}, {third:.0%}, {most:.0%}; {left:.0f} wait")
        assert 0.02 < tenth < third < most
        assert abs(third - 0.33) < 0.15
        assert abs(most - 0.67) < 0.15
        assert left < 5
        assert ask(server, key=PAID[0]).status_code == 200
        assert counted(server, "frontdoor_requests_shed_total", reason="shed", **{"class": "paid"}) == 0
    await trouble.end()
    ramping = await ground.bot.until("they come back in steps", lambda: ramps(ground), bool)
    assert all(0 < lease["strength"] < 1 for lease in ramping)
    await end(ground, trouble, "queue-overload")
    assert ask(server, key=FREE[0]).status_code == 200


async def ramps(ground: Ground) -> list[dict[str, float]]:
    """Leases that give way in steps."""
    return list(ground.control("leases?state=ramping")["leases"])


async def test_ttft_burn(ground: Ground, server: ServingServer, slow: None, load: tuple[str, ...]) -> None:
    """First tokens are late since a queue is there; with three in ten turned away they are in time again."""
    trouble = Trouble(ground, "FirstTokenBudgetBurnsFast")
    async with traffic(server.url, *load, "--rate", "9.5", "--max-outstanding", "60"):
        await until_queue(ground, server, 32)
        since = await trouble.begin()
        await ground.approve("ttft-burn", "shed_some", ADA, since=since)
        await ground.until_step("ttft-burn", "shed_some", "verifying", since=since)
        before = await first_token_s(ground, server, 8)
        await ground.approve("ttft-burn", "shed_more", ADA, since=since)
        run = await ground.until_settled("ttft-burn", "holding", since=since, limit_s=180)
        assert (state_of(run, "shed_some"), state_of(run, "shed_more")) == ("not_verified", "succeeded")
        after = await first_token_s(ground, server, 8)
        print(f"seen: mean first token {before:.1f} s -> {after:.1f} s")
        assert after < 2.5 < before
    await end(ground, trouble, "ttft-burn")


async def test_ttft_burn_without_a_queue(ground: Ground, server: ServingServer) -> None:
    """Where nobody waits nobody is turned away."""
    trouble = Trouble(ground, "FirstTokenBudgetSpentInAnHour")
    since = await trouble.begin()
    run = await ground.until_ended("ttft-burn", "succeeded", since=since)
    assert state_of(run, "shed_some") == "skipped"
    assert ground.leases() == []
    await trouble.end()
    await ground.until_quiet()


async def first_token_s(ground: Ground, server: ServingServer, seconds: float) -> float:
    """The mean time to first token over the next *seconds*."""
    name = "vllm:time_to_first_token_seconds"
    total, number = counted(server, f"{name}_sum"), counted(server, f"{name}_count")
    await ground.sleep(seconds)
    return (counted(server, f"{name}_sum") - total) / (counted(server, f"{name}_count") - number)


async def test_capacity_exhausted(ground: Ground, server: ServingServer, slow: None, load: tuple[str, ...]) -> None:
    """A commander agrees, nobody objects: callers get the page, who is being answered is answered to the end."""
    trouble = Trouble(ground, "CapacityExhausted")
    async with traffic(server.url, *load, "--rate", "30", "--max-outstanding", "60"):
        await until_queue(ground, server, 30)
        since = await trouble.begin()
        request = await ground.asked("capacity-exhausted", "failwhale", since=since)
        assert (await ground.decide(request, ADA)).status_code == 403
        assert (await ground.decide(request, CORA)).status_code == 200
        await ground.until_step("capacity-exhausted", "failwhale", "announcing", since=since)
        assert ground.leases() == []
        failed = counted(server, "vllm:request_success_total", finished_reason="error")
        await ground.until_step("capacity-exhausted", "failwhale", "verifying", since=since)
        answers = [ask(server, key=key) for key in (*FREE[:5], *PAID[:5])]
        page = ask(server, key=FREE[0], headers={"accept": "text/html"})
        refused = [code_of(answer) for answer in answers if answer.status_code == 503]
        assert len(refused) >= 8
        assert set(refused) == {"failwhale"}
        assert "html" in page.headers["content-type"]
        run = await ground.until_settled("capacity-exhausted", "holding", since=since)
        assert state_of(run, "failwhale") == "succeeded"
        assert counted(server, "vllm:num_requests_waiting") < 2
        assert counted(server, "vllm:request_success_total", finished_reason="error") == failed
        print(f"seen: {len(refused)} of 10 get the page, nobody waits")
    await end(ground, trouble, "capacity-exhausted")
    assert ask(server, key=FREE[0]).status_code == 200


async def test_capacity_exhausted_objected(ground: Ground, server: ServingServer) -> None:
    """Whoever objects in time keeps the failwhale down, though a commander has agreed."""
    trouble = Trouble(ground, "CapacityExhausted")
    since = await trouble.begin()
    await ground.approve("capacity-exhausted", "failwhale", CORA, since=since)
    await ground.object("capacity-exhausted", BEN, "two nodes are on their way", since=since)
    run = await ground.until_ended("capacity-exhausted", "succeeded", since=since)
    assert state_of(run, "failwhale") == "skipped"
    assert "two nodes are on their way" in run["detail"]
    assert ground.leases() == []
    assert ask(server, key=FREE[0]).status_code == 200
    await trouble.end()
    await ground.until_quiet()


async def test_bad_upstream(ground: Ground, server: ServingServer, load: tuple[str, ...]) -> None:
    """Nine in ten requests fail; with the page up fewer than one caller in four meets an error."""
    trouble = Trouble(ground, "RequestsFail")
    async with traffic(server.url, *load, "--rate", "8"):
        await ground.bot.until("load", lambda: running(server), bool)
        with leased(server, "fault.error_percent", 90, ttl_s=900):
            before = await share_failed(ground, server, 5)
            since = await trouble.begin()
            await ground.approve("bad-upstream", "shield", ADA, since=since)
            run = await ground.until_settled("bad-upstream", "holding", since=since, limit_s=90)
            assert state_of(run, "shield") == "succeeded"
            after = await share_failed(ground, server, 8)
            print(f"seen: {before:.0%} of callers met an error, then {after:.0%}")
            assert before > 0.7
            assert after < 0.25
    await end(ground, trouble, "bad-upstream")
    assert ask(server, key=FREE[0]).status_code == 200


async def running(server: ServingServer) -> float:
    """Requests in the batch."""
    return counted(server, "vllm:num_requests_running")


async def share_failed(ground: Ground, server: ServingServer, seconds: float) -> float:
    """The share of requests that end with an error of the engine, over the next *seconds*."""
    failed = counted(server, "vllm:request_success_total", finished_reason="error")
    came = counted(server, "frontdoor_requests_total")
    await ground.sleep(seconds)
    more = counted(server, "vllm:request_success_total", finished_reason="error") - failed
    return more / (counted(server, "frontdoor_requests_total") - came)


async def test_stalled_engine(ground: Ground, server: ServingServer, load: tuple[str, ...]) -> None:
    """The health check is green and no token comes; the cluster is taken out, restarted, and takes work again."""
    trouble = Trouble(ground, "HealthyButNotServing")
    stall = grant(server, "fault.stall", 1, ttl_s=900)
    hangs = asyncio.create_task(asyncio.to_thread(ask, server, key=PAID[0]))
    await ground.sleep(1)
    assert health(server) == 200
    assert not hangs.done()
    since = await trouble.begin()
    await ground.approve("stalled-engine", "fence", ADA, since=since)
    restart = await ground.asked("stalled-engine", "restart", since=since)
    assert health(server) == 503
    assert code_of(ask(server, key=PAID[1])) == "fenced"
    assert (await ground.decide(restart, ADA)).status_code == 200
    told = await hangs
    assert (told.status_code, code_of(told)) == (503, "engine_restarted")
    # Here a fault stands for what a restart mends.
    release(server, stall["lease_id"])
    await ground.until_step("stalled-engine", "readmit", "succeeded", since=since)
    assert health(server) == 200
    async with traffic(server.url, *load, "--rate", "4"):
        await ground.until_step("stalled-engine", "serves", "succeeded", since=since)
    assert ground.leases() == []
    assert ask(server, key=PAID[1]).status_code == 200
    await end(ground, trouble, "stalled-engine")


def health(server: ServingServer) -> int:
    """What a router is told."""
    return httpx.get(f"{server.url}/health", trust_env=False, timeout=30).status_code


def release(server: ServingServer, lease_id: str) -> None:
    """End a lease at once."""
    with server.client() as client:
        client.delete(f"/control/v1/leases/{lease_id}?now=true").raise_for_status()


async def test_batch_starved(ground: Ground, server: ServingServer, slow: None, load: tuple[str, ...]) -> None:
    """Somebody left the batch at one: it is released, and the queue is served."""
    trouble = Trouble(ground, "BatchStarved")
    grant(server, "batch_limit", 1, ttl_s=600)
    async with traffic(server.url, *load, "--rate", "3", "--max-outstanding", "40"):
        await until_queue(ground, server, 15)
        slow_before = await per_s(ground, server, 5)
        since = await trouble.begin()
        await ground.approve("batch-starved", "release", ADA, since=since)
        run = await ground.until_step("batch-starved", "relieved", "succeeded", since=since, limit_s=120)
        assert state_of(run, "release") == "succeeded"
        left = counted(server, "vllm:num_requests_waiting")
        after = await per_s(ground, server, 5)
        print(f"seen: {slow_before:.0f} -> {after:.0f} tokens/s, {left:.0f} wait")
        assert ground.knob("batch_limit")["in_force"] == BATCH
        assert left < 2
        assert after > 3 * slow_before
    await end(ground, trouble, "batch-starved")
    assert ground.knob("batch_limit")["in_force"] == BATCH


async def per_s(ground: Ground, server: ServingServer, seconds: float) -> float:
    """Tokens a second over the next *seconds*."""
    before = counted(server, "vllm:generation_tokens_total")
    await ground.sleep(seconds)
    return (counted(server, "vllm:generation_tokens_total") - before) / seconds


async def test_lease_left_behind(ground: Ground, server: ServingServer) -> None:
    """What a run left is released, in steps where it ramps; what a person set stays."""
    trouble = Trouble(ground, "LeaseOutlivesIncident")
    left: dict[str, Any] = {"owner": "run:kv-cache-pressure:gone", "ttl_s": 600}
    grant(server, "shed", {"fraction": 0.9}, **left)
    grant(server, "batch_limit", 2, **left)
    of_a_person = grant(server, "batch_limit", 12, ttl_s=600, owner="person:ada")
    assert ground.knob("batch_limit")["in_force"] == 2
    since = await trouble.begin()
    await ground.approve("lease-left-behind", "release", ADA, since=since)
    run = await ground.until_ended("lease-left-behind", "succeeded", since=since)
    assert state_of(run, "rest") == "succeeded"
    await ground.bot.until("one lease is left", lambda: leases(ground), lambda found: len(found) == 1)
    assert ground.knob("batch_limit")["in_force"] == 12
    assert ground.knob("shed")["leases"] == []
    release(server, of_a_person["lease_id"])
    await trouble.end()
    await ground.until_at_base()
    await ground.until_quiet()


async def leases(ground: Ground) -> list[object]:
    """What is in force."""
    return list(ground.leases())
