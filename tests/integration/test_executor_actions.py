"""Runs of several kinds of actions through the real executor: leases of a door, commands, calls, messages, silences."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from opsbot.action.parts import ShippedParts
from opsbot.action.registry import shipped_actions
from opsbot.action_settings import ActionsSection
from opsbot.people import Person
from opsbot.store.silences import SilenceRepository
from tests.support.door import door_file
from tests.support.raw_upstream import Peer, raw_upstream
from tests.support.runs import RunWorld
from tests.support.serving_server import ServingServer, serving

pytestmark = pytest.mark.integration

RUNBOOK = """
version: 1
id: several
name: Several
owner: tests
mode: auto
triggers: [{{type: alert, match: {{alertname: KVCachePressure}}}}]
steps:
{steps}
"""
PERSON = Person("U1", frozenset({"responder"}))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """One server for the module, whose ramps take tenths of a second."""
    folder = tmp_path_factory.mktemp("serving")
    with serving(folder / "leases.jsonl", "--door", door_file(folder)) as started:
        yield started


@pytest.fixture
async def world(tmp_path: Path, server: ServingServer) -> AsyncIterator[RunWorld]:
    """A store of its own for each test, and every shipped action over it."""
    world = RunWorld(tmp_path, server.url)
    with_actions(world, ActionsSection())
    yield world
    await world.close()


def with_actions(world: RunWorld, settings: ActionsSection) -> None:
    """Give it all of them."""
    parts = ShippedParts(
        world.metrics,
        world.control,
        world.clock,
        settings,
        record=world.incidents,
        silences=SilenceRepository(world.database),
        longest_silence_s=3600.0,
    )
    world.actions = list(shipped_actions(parts))


def runbook(*steps: str) -> str:
    """A runbook of these steps, each in one line."""
    return RUNBOOK.format(steps="\n".join(f"  - {{{step}, retry: {{attempts: 3, delay: 50ms}}}}" for step in steps))


async def is_at_base(world: RunWorld, *knobs: str) -> bool:
    """Whether nothing is in force on any of them."""
    return all([(await world.control.look("local", knob)).is_at_base for knob in knobs])


async def test_what_a_run_has_set_is_released_when_its_incident_ends(world: RunWorld) -> None:
    """In reverse, each as it ends; what it said stays."""
    run_id = world.fire(
        "door",
        runbook(
            "id: shed, name: Shed, uses: serving.shed, with: {fraction: 0.5, selector: {class: [free]}}, lease: 60s",
            "id: out, name: Drain, uses: serving.drain, lease: 60s",
            "id: say, name: Say, uses: slack.post, with: {text: 'others: ${{ steps.shed.outputs.others }}'}",
            "id: look, name: Look, uses: serving.knobs",
            "id: task, name: Task, uses: review.open, with: {task: Why}, "
            "if: 'steps.look.outputs.in_force[\"shed\"] == 1'",
        ),
    )
    async with world.executing():
        await world.until_run(run_id, "holding")
        assert not await is_at_base(world, "shed")
        assert not await is_at_base(world, "drain")
        assert "others: 0" in world.texts(run_id)
        assert "To review: Why" in world.texts(run_id)
        world.resolve("door")
        await world.until_run(run_id, "succeeded")
    texts = "\n".join(world.texts(run_id))
    assert texts.index("Released: drain of cluster local has ended") < texts.index(
        "Released: shedding of cluster local"
    )
    assert "is ramping down" in texts


async def test_a_restart_whose_answer_is_lost_is_done_once(world: RunWorld, server: ServingServer) -> None:
    """It is found by its key, and the engine is not started a second time."""
    run_id = world.fire("anew", runbook("id: anew, name: Anew, uses: serving.restart, with: {when: now}, timeout: 20s"))
    world.network.fail("POST", "answer_lost")
    async with world.executing():
        await world.until_run(run_id, "holding", "succeeded")
    with server.client() as http:
        found = http.get("/control/v1/commands", params={"owner": run_id}).json()["commands"]
    assert [(one["kind"], one["state"]) for one in found] == [("restart", "done")]
    assert world.network.requests.count("POST /control/v1/restart") == 1


@pytest.mark.parametrize("with_key", [False, True], ids=["without a key", "with a key"])
async def test_a_lost_call_is_repeated_only_where_a_key_makes_it_one(world: RunWorld, with_key: bool) -> None:
    """Else nobody knows whether it happened, and a person must say."""

    async def lose_once(peer: Peer) -> None:
        if len(upstream.requests) == 1:
            peer.reset()
        else:
            await peer.whole("200 OK", "application/json", b"{}")

    async with raw_upstream() as upstream:
        upstream.handler = lose_once
        host = upstream.url.removeprefix("http://")
        with_actions(world, ActionsSection.model_validate({"http": {"allow": [host]}}))
        key = ", idempotency_header: X-Key" if with_key else ""
        run_id = world.fire(
            f"call-{with_key}",
            runbook(f"id: call, name: Call, uses: http.request, with: {{url: '{upstream.url}/do'{key}}}"),
        )
        async with world.executing():
            await world.until_step(run_id, "call", "succeeded" if with_key else "unknown")
        assert len(upstream.requests) == (2 if with_key else 1)
    if not with_key:
        assert "It may have happened; it is not repeated" in "\n".join(world.texts(run_id))


async def test_undo_ends_the_silence_that_its_step_has_set(world: RunWorld) -> None:
    """Without naming it: the undo knows its step's key."""
    run_id = world.fire(
        "quiet",
        runbook(
            "id: hush, name: Hush, uses: silence.create, "
            "with: {matchers: ['cluster=\"local\"'], duration: 10m, reason: it is known}, undo: {uses: silence.expire}",
            "id: out, name: Drain, uses: serving.drain, lease: 60s",
        ),
    )
    silences = SilenceRepository(world.database)
    async with world.executing() as executor:
        await world.until_run(run_id, "holding")
        assert [one.silence_id for one in silences.silences(world.clock.now())] == ["SIL-1"]
        await executor.request_undo(run_id, PERSON)
        await world.until_run(run_id, "undone")
    assert silences.silences(world.clock.now()) == ()


async def test_what_cannot_be_done_here_is_said_before_it_is_tried(world: RunWorld) -> None:
    """A host that is not listed, a program that is not named: the step fails with what to do."""
    run_id = world.fire("away", runbook("id: go, name: Go, uses: process.run, with: {program: reboot}"))
    async with world.executing():
        await world.until_step(run_id, "go", "failed")
    assert "process.run is off" in "\n".join(world.texts(run_id))
