"""Runbooks for a KV cache that is too small for its load, on a real engine that preempts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from opsbot.workspace.app import Workspace
from tests.support.door import ask, code_of, counted, leased
from tests.support.proving import ADA, BEN, CORA, Ground, Trouble, grounded, state_of
from tests.support.serving_server import ServingServer, serving
from tests.support.traffic_process import traffic

pytestmark = [pytest.mark.runbooks, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

BATCH, BLOCKS = 16, 64
"""Sixteen long requests need 160 blocks; six fit."""
LOAD = ("--rate", "5", "--max-outstanding", "40", "--prompt-tokens", "96", "--max-tokens", "64", "--seed", "5")
SHORTER = {
    "kv-cache-pressure": {
        "announce": "3s",
        "verify:smaller_batch": "15s",
        "verify:shed_lowest": "20s",
        "cooldown": "1s",
    },
    "preemption-storm": {"verify:smaller": "20s"},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """A small pool, and steps that take as long as a large model's."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "door.yaml").write_text("ramp: {steps: 5, step: 1s}\nenrich: {trusted_proxies: [127.0.0.0/8]}\n")
    arguments = ("--max-num-seqs", str(BATCH), "--num-blocks", str(BLOCKS), "--door", str(folder / "door.yaml"))
    with serving(folder / "leases.jsonl", *arguments) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(
    server: ServingServer, workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ground]:
    """The bot with the shipped rules on the cache."""
    folder = tmp_path_factory.mktemp("bot")
    async with grounded(folder, {"local": server.url}, workspace, packs=("serving",), shorter=SHORTER) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def slow(server: ServingServer) -> AsyncIterator[None]:
    """Steps of 40 ms."""
    with leased(server, "fault.slow_step_ms", 40, ttl_s=900):
        yield


async def test_kv_cache_pressure(ground: Ground, server: ServingServer, slow: None) -> None:
    """The shipped rule sees preemptions, seven in ten of what runs go on running, and none is preempted then."""
    since = ground.now()
    async with traffic(server.url, *LOAD):
        await ground.approve("kv-cache-pressure", "smaller_batch", ADA, since=since)
        run = await ground.until_settled("kv-cache-pressure", "holding", since=since)
        assert state_of(run, "smaller_batch") == "succeeded"
        assert state_of(run, "shed_lowest") == "skipped"
        limit = ground.knob("batch_limit")["in_force"]
        assert 1 <= limit < BATCH
        before = counted(server, "vllm:num_preemptions_total")
        tokens = counted(server, "vllm:generation_tokens_total")
        await ground.sleep(6)
        assert counted(server, "vllm:num_preemptions_total") == before
        assert counted(server, "vllm:num_requests_waiting") > 5
        # One may just have ended, and the next not have begun.
        assert limit - 1 <= counted(server, "vllm:num_requests_running") <= limit
        per_s = (counted(server, "vllm:generation_tokens_total") - tokens) / 6
        print(f"seen: batch {BATCH} -> {limit}, no preemption in 6 s, {per_s:.0f} tokens/s")
    await ground.until_ended("kv-cache-pressure", "succeeded", since=since)
    await ground.until_at_base()
    assert ground.knob("batch_limit")["in_force"] == BATCH


async def test_kv_cache_pressure_refused(ground: Ground, server: ServingServer, slow: None) -> None:
    """Who refuses changes nothing: no lease, the whole batch, and preemptions go on."""
    since = ground.now()
    async with traffic(server.url, *LOAD):
        approval = await ground.asked("kv-cache-pressure", "smaller_batch", since=since)
        assert (await ground.decide(approval, ADA, is_granted=False)).status_code == 200
        await ground.until_ended("kv-cache-pressure", "cancelled", since=since)
        assert ground.leases() == []
        assert ground.knob("batch_limit")["in_force"] == BATCH
        before = counted(server, "vllm:num_preemptions_total")
        await ground.sleep(5)
        assert counted(server, "vllm:num_preemptions_total") > before
    await ground.until_quiet()


async def test_kv_cache_pressure_to_the_end(ground: Ground, server: ServingServer, slow: None) -> None:
    """Blocks go on failing: a smaller batch and shedding are not enough, so a commander puts the failwhale up."""
    since = ground.now()
    async with traffic(server.url, *LOAD, "--max-outstanding", "20"):
        await ground.asked("kv-cache-pressure", "smaller_batch", since=since)
        with leased(server, "fault.lost_kv_blocks", BLOCKS - 25, ttl_s=900):
            await ground.approve("kv-cache-pressure", "smaller_batch", ADA, since=since)
            await ground.approve("kv-cache-pressure", "shed_lowest", ADA, since=since)
            await ground.until_step("kv-cache-pressure", "shed_lowest", "verifying", since=since)
            shed = counted(server, "frontdoor_requests_shed_total", reason="shed")
            whale = await ground.asked("kv-cache-pressure", "failwhale", since=since, limit_s=60)
            assert counted(server, "frontdoor_requests_shed_total", reason="shed") > shed
            assert (await ground.decide(whale, ADA)).status_code == 403
            assert ground.knob("failwhale")["leases"] == []
            assert (await ground.decide(whale, CORA)).status_code == 200
            await ground.until_step("kv-cache-pressure", "failwhale", {"announcing"}, since=since)
            assert ground.knob("failwhale")["leases"] == []
            await ground.until_step("kv-cache-pressure", "failwhale", "verifying", since=since)
            refusal, page = ask(server), ask(server, headers={"accept": "text/html"})
            assert (refusal.status_code, code_of(refusal)) == (503, "failwhale")
            assert page.status_code == 503
            assert page.headers["content-type"].startswith("text/html")
            waiting = counted(server, "vllm:num_requests_waiting")
            assert waiting > 2
            run = await ground.until_settled("kv-cache-pressure", "holding", since=since, limit_s=120)
            assert state_of(run, "failwhale") == "succeeded"
            assert counted(server, "vllm:num_requests_waiting") < 2
            print(f"seen: {waiting:.0f} waited, then {counted(server, 'vllm:num_requests_waiting'):.0f}")
    await ground.until_ended("kv-cache-pressure", "succeeded", since=since)
    await ground.until_at_base()
    assert ask(server).status_code == 200
    await ground.until_quiet()


async def test_preemption_storm(ground: Ground, server: ServingServer, slow: None) -> None:
    """Three quarters of what runs are still too many for the blocks that are left; half of it fits."""
    storm = Trouble(ground, "PreemptionStorm")
    async with traffic(server.url, *LOAD):
        await ground.bot.until("preemptions", lambda: rate(server), lambda found: found > 0)
        await ground.sleep(18)
        since = await storm.begin()
        await ground.asked("preemption-storm", "smaller", since=since)
        run = await ground.run_of("preemption-storm", since=since)
        assert run is not None
        ran = float(run["steps"][0]["detail"].rpartition(" is ")[2])
        # A request that is done has ten blocks: so many are left that half of what ran fits, and not more.
        with leased(server, "fault.lost_kv_blocks", BLOCKS - 2 - 10 * int(ran / 2), ttl_s=900):
            first = await ground.approve("preemption-storm", "smaller", ADA, since=since)
            second = await ground.approve("preemption-storm", "half", BEN, since=since)
            run = await ground.until_settled("preemption-storm", "holding", since=since)
            assert (state_of(run, "smaller"), state_of(run, "half")) == ("not_verified", "succeeded")
            before = counted(server, "vllm:num_preemptions_total")
            await ground.sleep(5)
            assert counted(server, "vllm:num_preemptions_total") == before
            assert counted(server, "vllm:num_requests_running") > 0
            print("seen:", first["will_do"], "|", second["will_do"])
    await storm.end()
    await ground.until_ended("preemption-storm", "succeeded", since=since)
    await ground.until_at_base()
    await ground.until_quiet()


async def rate(server: ServingServer) -> float:
    """Preemptions so far."""
    return counted(server, "vllm:num_preemptions_total")
