"""What the durable engine is set to, and what happens when opsbot itself is what breaks."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel

from opsbot.action.prometheus import PrometheusQuery
from opsbot.errors import ConfigError
from opsbot.runbook import durable
from opsbot.runbook.action import Action, ActionContext, Outcome
from opsbot.runbook.durable import DurableRuns, DurableSettings
from opsbot.source.prometheus import PrometheusSource
from tests.support.ports import free_port
from tests.support.runs import RunWorld
from tests.support.waiting import until

pytestmark = pytest.mark.integration

TEXT = """
version: 1
id: reads
name: Reads
owner: tests
mode: auto
triggers: [{type: alert, match: {alertname: KVCachePressure}}]
steps: [{id: step, name: A step, uses: USES, retry: {attempts: 1}}]
"""
READS = TEXT.replace("USES", "prometheus.query, with: {query: up}")


class Nothing(BaseModel):
    """No arguments."""


class Broken(Action[Nothing]):
    """An action with a mistake in it."""

    name: ClassVar[str] = "tests.broken"
    summary: ClassVar[str] = "Has a mistake."
    arguments = Nothing

    async def act(self, arguments: Nothing, context: ActionContext) -> Outcome:
        raise KeyError("a mistake of ours")

    async def find(self, arguments: Nothing, idempotency_key: str) -> Outcome | None:
        return None


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[RunWorld]:
    """Nobody serves here."""
    world = RunWorld(tmp_path, f"http://127.0.0.1:{free_port()}")
    yield world
    await world.close()


async def test_what_is_recorded_survives_power_loss_and_is_no_pickle(world: RunWorld) -> None:
    """The workflow's file has a write-ahead log, its connections flush every commit, and its values are JSON."""
    run_id = world.fire("settings", READS)
    async with world.executing():
        await world.until_run(run_id, "succeeded")
        # The run is over a moment before its last step is recorded.
        await until(lambda: _steps(world) == ["begin", "step step", "settle"])
    with sqlite3.connect(world.folder / "dbos.sqlite") as connection:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        formats = {row[0] for row in connection.execute("SELECT serialization FROM workflow_status")}
    connection.close()
    assert (mode, formats) == ("wal", {"portable_json"})
    own = durable._connect(world.folder / "dbos.sqlite")
    assert own.execute("PRAGMA synchronous").fetchone() == (2,)
    own.close()


def _steps(world: RunWorld) -> list[str]:
    """What the workflow has recorded, in order."""
    with closing(sqlite3.connect(world.folder / "dbos.sqlite")) as connection:
        return [row[0] for row in connection.execute("SELECT function_name FROM operation_outputs")]


async def test_a_database_without_a_file_is_refused() -> None:
    """Runs in memory would not survive anything."""
    with pytest.raises(ConfigError, match="names no file"):
        await DurableRuns(DurableSettings("sqlite://", "core-test")).start(lambda run_id, durable: _never())


async def _never() -> str:
    return ""


async def test_a_mistake_of_ours_is_handed_to_a_person(world: RunWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a stage fails in a way that nobody expected, the run does not vanish: it needs a person."""
    monkeypatch.setattr(durable, "FIRST_PAUSE_S", 0.01)
    world.actions.append(Broken())
    run_id = world.fire("broken", TEXT.replace("USES", "tests.broken"))
    async with world.executing():
        run = await world.until_run(run_id, "needs_person")
        assert "a mistake of ours" in run.detail
        # It can have changed something, so it is over only when somebody, or the incident's end, takes it back.
        world.resolve("broken")
        await world.until_run(run_id, "undone")


async def test_a_server_that_is_away_fails_the_run_in_words(world: RunWorld) -> None:
    """The reason names the cluster and what was tried."""
    text = TEXT.replace("USES", "serving.set_batch, with: {limit: 3}, lease: 60s")
    run_id = world.fire("away", text)
    async with world.executing():
        run = await world.until_run(run_id, "failed")
    assert run.detail == ("A step: GET /control/v1/knobs on cluster local: the server cannot be reached (ConnectError)")


async def test_a_prometheus_that_is_away_fails_the_query_in_words(world: RunWorld) -> None:
    """The shipped metrics source is what runs ask; without it a query says who did not answer."""
    url = f"http://127.0.0.1:{free_port()}"
    source = PrometheusSource(url)
    world.actions = [action for action in world.actions if action.name != "prometheus.query"]
    world.actions.append(PrometheusQuery(source))
    run_id = world.fire("no-prometheus", READS)
    async with world.executing():
        run = await world.until_run(run_id, "failed")
    assert url in run.detail
