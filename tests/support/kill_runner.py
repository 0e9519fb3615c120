"""Runs one reference run again and again and dies at a chosen commit: `python -m tests.support.kill_runner FOLDER URL`.

Reads one case a line, `CAUSE COMMIT WHERE` (WHERE: before, after, never), and answers each with one line of JSON. It
imports once and forks for each process of a case: the one that dies, and the one that goes on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from opsbot.runbook import durable, workflow
from opsbot.runbook.action import Action, ActionContext, Outcome
from opsbot.runbook.executor import Executor, ExecutorSettings
from opsbot.runbook.run import StepState
from opsbot.store import schema
from tests.support.noting import Note, Notes, noting
from tests.support.runs import RunWorld
from tests.support.serving_server import CONTROL
from tests.support.settling import settle

DIED = 77
LIMIT_S = 40.0
LEASE = "lease: 60s, verify: {expr: up == 1, timeout: 30s, means"
RUNBOOK = f"""
version: 1
id: reference
name: The reference run
owner: tests
mode: auto
triggers: [{{type: alert, match: {{alertname: KVCachePressure}}}}]
steps:
  - {{id: first, name: First, uses: serving.set_batch, with: {{limit: 3}}, {LEASE}: well}}}}
  - id: once
    name: Once
    uses: tests.note
    with: {{what: once}}
    approval: {{from: responder}}
    undo: {{uses: tests.unnote, with: {{what: "${{{{ result.line }}}}"}}}}
  - {{id: second, name: Second, uses: serving.set_batch, with: {{limit: 2}}, {LEASE}: better}}}}
  - id: each
    name: Each
    foreach: "['a', 'b']"
    uses: tests.note
    with: {{what: "${{{{ item }}}}"}}
    undo: {{uses: tests.unnote, with: {{what: "${{{{ item }}}}"}}}}
  - {{id: broken, name: Broken, uses: tests.note, with: {{what: broken}}}}
finally:
  - {{id: last, name: Last, uses: tests.note, with: {{what: last}}}}
"""


class KeenNote(Note):
    """Writes, except for one thing that it refuses."""

    async def act(self, arguments: Any, context: ActionContext) -> Outcome:
        if arguments.what == "broken":
            self.notes.fail("broken", "failed")
        return await super().act(arguments, context)


def die_at(commit: int, where: str) -> Callable[[], int]:
    """Count every commit that writes, of whichever database, and die at one; answers how to read the number."""
    count = 0
    seen: dict[int, int] = {}
    original: Callable[[Any, Any], None] = SQLiteDialect_pysqlite.do_commit

    def do_commit(self: Any, connection: Any) -> None:
        nonlocal count
        changes = connection.total_changes
        is_write = seen.get(id(connection), 0) != changes
        seen[id(connection)] = changes
        if is_write:
            count += 1
            if count == commit and where == "before":
                os._exit(DIED)
        mine = count
        original(self, connection)
        if is_write and mine == commit and where == "after":
            os._exit(DIED)

    SQLiteDialect_pysqlite.do_commit = do_commit  # type: ignore[method-assign]
    return lambda: count


class Life:
    """One process of a case."""

    def __init__(self, folder: Path, url: str) -> None:
        self.world = RunWorld(folder, url)
        self.notes = Notes(folder / "notes")
        actions: list[Action[Any]] = [one for one in noting(self.notes) if one.name != "tests.note"]
        self.world.actions += [KeenNote(self.notes), *actions]
        self.url = url

    def executor(self) -> Executor:
        """With pauses so short that many cases are made in a minute."""
        durable.POLL_S = workflow.LEAST_WAIT_S = 0.01
        durable.FIRST_PAUSE_S = 0.05
        settings = ExecutorSettings(f"sqlite:///{self.world.folder}/dbos.sqlite", "core-test", poll_s=0.02)
        return Executor(settings, self.world.runs, self.world.registry, self.world.metrics, self.world.clock)

    async def go_on(self, run_id: str) -> set[str]:
        """Execute until the run is over, with a person beside it; answers the steps that it asked about."""
        asked: set[str] = set()
        executor = self.executor()
        await executor.start()
        end = time.monotonic() + LIMIT_S / 2
        while not self.world.runs.run(run_id).is_finished:
            assert time.monotonic() < end, f"it did not end:\n{self.world.say(run_id)}"
            asked |= await asyncio.to_thread(self._person, run_id)
            await asyncio.sleep(0.01)
        return asked

    def _person(self, run_id: str) -> set[str]:
        asked = set()
        keys = {key for _, _, key in self.notes.lines()}
        for row in self.world.runs.steps(run_id):
            if row.state is StepState.WAITING_APPROVAL and self.world.run_view(run_id).approvals:
                self.world.decide(run_id, row.step_id, is_granted=True)
            elif row.state is StepState.UNKNOWN:
                settle(self.world.runs, run_id, row.step_id, time.time(), happened=row.idempotency_key in keys)
                asked.add(row.step_id)
        return asked

    def facts(self, run_id: str) -> dict[str, Any]:
        """What must be looked at in the end."""
        address = f"{self.url}/control/v1/leases"
        leases = httpx.get(address, params={"owner": run_id}, headers=CONTROL, trust_env=False).json()["leases"]
        with self.world.database.read() as connection:
            locks = [str(knob) for knob in connection.execute(select(schema.knob_lock.c.knob)).scalars()]
        return {
            "state": self.world.runs.run(run_id).state.value,
            "detail": self.world.runs.run(run_id).detail,
            "said": self.notes.said(),
            "leases": [lease["state"] for lease in leases],
            "locks": locks,
            "texts": self.world.texts(run_id),
            "steps": {row.step_id: row.state.value for row in self.world.runs.steps(run_id)},
        }


async def _begin(folder: Path, url: str, cause: str, commit: int, where: str) -> None:
    life = Life(folder, url)
    run_id = life.world.fire(cause, RUNBOOK)
    (folder / "run_id").write_text(run_id)
    read = die_at(commit, where)
    await life.go_on(run_id)
    (folder / "count").write_text(str(read()))


async def _resume(folder: Path, url: str) -> None:
    life = Life(folder, url)
    run_id = (folder / "run_id").read_text()
    asked = await life.go_on(run_id)
    (folder / "facts").write_text(json.dumps({**life.facts(run_id), "asked": sorted(asked)}))


def forked(work: Callable[[], Coroutine[Any, Any, None]], log: Path) -> int:
    """The exit status of a process that does *work*; 1 with its reason in *log*, and -9 if it hung."""
    child = os.fork()
    if child == 0:
        try:
            with log.open("a") as file:
                os.dup2(file.fileno(), 2)
            asyncio.run(_bounded(work))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


async def _bounded(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    await asyncio.wait_for(work(), LIMIT_S)
    # DBOS's threads are of no use any more.
    os._exit(0)


def case(root: Path, url: str, line: str) -> dict[str, Any]:
    """Make one case; answers its facts, or why there are none."""
    cause, commit, where = line.split()
    folder = root / cause
    shutil.copytree(root / "template", folder)
    died = forked(lambda: _begin(folder, url, cause, int(commit), where), folder / "log")
    if died not in (0, DIED):
        return {"problem": (folder / "log").read_text()}
    if forked(lambda: _resume(folder, url), folder / "log"):
        return {"problem": (folder / "log").read_text()}
    facts: dict[str, Any] = json.loads((folder / "facts").read_text())
    if died == 0:
        facts["count"] = int((folder / "count").read_text())
    shutil.rmtree(folder)
    return facts


async def _template(folder: Path, url: str) -> None:
    life = Life(folder, url)
    executor = life.executor()
    await executor.start()
    await executor.stop()
    await life.world.close()


def main() -> None:
    """Make cases until there are no more."""
    root, url = Path(sys.argv[1]), sys.argv[2]
    logging.disable(logging.WARNING)
    template = root / "template"
    template.mkdir(parents=True)
    if forked(lambda: _template(template, url), template / "log"):
        raise SystemExit((template / "log").read_text())
    (template / "log").unlink()
    for line in sys.stdin:
        print(json.dumps(case(root, url, line)), flush=True)


if __name__ == "__main__":
    main()
