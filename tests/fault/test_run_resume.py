"""The bot is killed in the middle of a run, started again, and the run goes on as if nothing had been."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.run_process import run_process
from tests.support.runs import RunWorld, set_batch
from tests.support.serving_server import CONTROL, ServingServer, serving

pytestmark = pytest.mark.fault

BASE = 4
VERIFY = "verify: {expr: up == 1, for: 200ms, timeout: 1m}"
APPROVAL = "approval: {from: responder, timeout: 10m}"
ONCE = ("step.acted", "step.verified", "incident.mitigated", "step.released", "run.ended")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """One server for the module; it stays up while the bot dies."""
    with serving(tmp_path_factory.mktemp("serving") / "leases.jsonl", "--max-num-seqs", str(BASE)) as started:
        yield started


@pytest.fixture
async def world(tmp_path: Path, server: ServingServer) -> AsyncIterator[RunWorld]:
    """The test's own view of the disk that the killed processes share."""
    world = RunWorld(tmp_path, server.url)
    yield world
    await world.close()


def leases(server: ServingServer, run_id: str) -> list[Any]:
    """Every lease that the run was ever given."""
    answer = httpx.get(f"{server.url}/control/v1/leases", params={"owner": run_id}, headers=CONTROL, trust_env=False)
    found: list[Any] = answer.json()["leases"]
    return found


async def finish(world: RunWorld, server: ServingServer, cause: str, run_id: str) -> None:
    """Start the bot again, end the incident once the run holds, and check what must be true in the end."""
    with run_process(world.folder, server.url):
        await world.until_run(run_id, "holding")
        await world.until(lambda: world.view(run_id).incident.state, lambda state: state == "mitigated", lambda: "")
        world.resolve(cause)
        await world.until_run(run_id, "succeeded")
    assert await world.in_force() == BASE
    kinds = world.kinds(run_id)
    assert {kind: kinds.count(kind) for kind in ONCE} == dict.fromkeys(ONCE, 1), world.say(run_id)


async def test_killed_while_waiting_for_an_approval(world: RunWorld, server: ServingServer) -> None:
    """An approval that is given while the bot is dead is acted on when it is back, once."""
    run_id = world.fire("waiting", set_batch(mode="suggest", more=f"{APPROVAL}\n    {VERIFY}"))
    with run_process(world.folder, server.url):
        await world.until_run(run_id, "waiting")
    world.decide(run_id, "resize", is_granted=True)
    await finish(world, server, "waiting", run_id)
    assert len(leases(server, run_id)) == 1
    assert world.kinds(run_id).count("approval.requested") == 1


@pytest.mark.parametrize("line", ["before_act", "after_act"])
async def test_killed_around_the_call_to_the_server(world: RunWorld, server: ServingServer, line: str) -> None:
    """Whether the call was made or not, exactly one lease is granted."""
    run_id = world.fire(line, set_batch(more=VERIFY))
    with run_process(world.folder, server.url, die=line) as process:
        assert await asyncio.to_thread(process.wait) == -signal.SIGKILL
    assert world.runs.steps(run_id)[0].state == "acting"
    assert len(leases(server, run_id)) == (1 if line == "after_act" else 0)
    await finish(world, server, line, run_id)
    assert len(leases(server, run_id)) == 1


async def test_killed_while_verifying(world: RunWorld, server: ServingServer) -> None:
    """The verification goes on after the restart, and the action is not done again."""
    run_id = world.fire("verifying", set_batch(more=VERIFY))
    with run_process(world.folder, server.url, "fails"):
        await world.until_step(run_id, "resize", "verifying")
    await finish(world, server, "verifying", run_id)
    assert len(leases(server, run_id)) == 1


async def test_an_incident_that_ends_while_the_bot_is_dead(world: RunWorld, server: ServingServer) -> None:
    """What is held is released when the bot comes back."""
    run_id = world.fire("ends", set_batch(more=VERIFY))
    with run_process(world.folder, server.url):
        await world.until_run(run_id, "holding")
    world.resolve("ends")
    assert await world.in_force() == 3
    with run_process(world.folder, server.url):
        await world.until_run(run_id, "succeeded")
    assert await world.in_force() == BASE


async def test_a_lease_that_expired_while_the_bot_was_dead_is_taken_again(
    world: RunWorld, server: ServingServer
) -> None:
    """The approval was for as long as the incident is open, so the setting returns with the bot, and says so."""
    run_id = world.fire("expires", set_batch(lease="5s", more=VERIFY))
    with run_process(world.folder, server.url):
        await world.until_run(run_id, "holding")
    await world.until(lambda: leases(server, run_id)[0]["state"], lambda state: state == "ended", lambda: "it lives")
    with run_process(world.folder, server.url):
        await world.until(lambda: leases(server, run_id), lambda found: len(found) == 2, lambda: world.say(run_id))
        assert await world.in_force() == 3
        world.resolve("expires")
        await world.until_run(run_id, "succeeded")
    assert await world.in_force() == BASE
    assert world.kinds(run_id).count("lease.expired") == 1


async def test_killed_again_and_again(world: RunWorld, server: ServingServer) -> None:
    """Kills at arbitrary moments neither double nor lose anything."""
    moments = random.Random(11)
    run_id = world.fire("again", set_batch(mode="suggest", more=f"{APPROVAL}\n    {VERIFY}"))
    for _ in range(6):
        with run_process(world.folder, server.url):
            await asyncio.sleep(moments.uniform(0.0, 1.5))
            if world.runs.run(run_id).state == "waiting" and moments.random() < 0.5:
                world.decide(run_id, "resize", is_granted=True)
                await asyncio.sleep(moments.uniform(0.0, 0.3))
    if world.runs.run(run_id).state == "waiting" and world.run_view(run_id).approvals:
        world.decide(run_id, "resize", is_granted=True)
    await finish(world, server, "again", run_id)
    assert len(leases(server, run_id)) == 1
