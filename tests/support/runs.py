"""One core without its doors: a real store, the real executor on DBOS, and metrics that say what the test wants.

`RunWorld` outlives executors, as the disk outlives a process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from opsbot.action.control import ControlClient, ServingTarget
from opsbot.action.prometheus import PrometheusQuery
from opsbot.action.serving import ServingSetBatch
from opsbot.action.wait import WaitUntil
from opsbot.alert.alert import Alert, AlertState
from opsbot.clock import SystemClock
from opsbot.errors import SourceError
from opsbot.incident.view import IncidentView, RunView
from opsbot.people import Person
from opsbot.runbook.action import Action, ActionRegistry
from opsbot.runbook.case import approval_id
from opsbot.runbook.executor import Executor, ExecutorSettings
from opsbot.runbook.loader import loads_runbook
from opsbot.runbook.probe import Verdict
from opsbot.runbook.run import Run
from opsbot.store.approvals import ApprovalRepository
from opsbot.store.database import Database
from opsbot.store.incidents import IncidentRepository
from opsbot.store.run_queue import RunbookToRun
from opsbot.store.runs import RunRepository
from opsbot.store.views import ViewRepository
from tests.support.cut_transport import CutTransport
from tests.support.serving_server import CONTROL_TOKEN

T = TypeVar("T")

LIMIT_S = 20.0

SET_BATCH = """
version: 1
id: smaller-batch
name: Relieve the cache
owner: tests
mode: {mode}
triggers: [{{type: alert, match: {{alertname: KVCachePressure}}}}]
inputs: {{batch_limit: {{type: integer, default: 3, min: 1}}}}
steps:
  - id: resize
    name: Resize the batch
    uses: serving.set_batch
    with: {{limit: "${{{{ inputs.batch_limit }}}}", mode: preempt}}
    timeout: 5s
    retry: {{attempts: 3, delay: 100ms}}
    lease: {lease}
    {more}
"""


def set_batch(*, mode: str = "auto", lease: str = "60s", more: str = "") -> str:
    """A runbook of one changing step; *more* are further lines of that step."""
    return SET_BATCH.format(mode=mode, lease=lease, more=more)


class SaidMetrics:
    """Implements Prober with the answers that a test sets."""

    def __init__(self, verdict: Verdict | None = "holds", value: float | None = 0.5) -> None:
        self.verdict = verdict
        self.number = value
        self.fails_if: Callable[[], bool] = lambda: False

    async def check(self, expr: str, /) -> Verdict:
        if self.fails_if():
            return "fails"
        if self.verdict is None:
            raise SourceError("the metrics do not answer", retryable=True)
        return self.verdict

    async def value(self, expr: str, /) -> float | None:
        if self.verdict is None:
            raise SourceError("the metrics do not answer", retryable=True)
        return self.number


class RunWorld:
    """Store, serving cluster and metrics of one test."""

    def __init__(self, folder: Path, serving_url: str, metrics: SaidMetrics | None = None) -> None:
        self.folder = folder
        self.metrics = metrics or SaidMetrics()
        self.clock = SystemClock()
        self.database = Database(f"sqlite:///{folder}/opsbot.sqlite")
        self.incidents = IncidentRepository(self.database)
        self.runs = RunRepository(self.database, self.incidents)
        self.views = ViewRepository(self.database)
        self.network = CutTransport()
        self.control = ControlClient({"local": ServingTarget(serving_url, CONTROL_TOKEN)}, self.network)
        self.actions: list[Action[Any]] = [
            ServingSetBatch(self.control),
            PrometheusQuery(self.metrics),
            WaitUntil(self.metrics, self.clock, 0.05),
        ]
        self.max_hold_s = 3600.0

    @property
    def registry(self) -> ActionRegistry:
        return ActionRegistry(self.actions)

    def executor(self) -> Executor:
        """A new executor over the same disk."""
        settings = ExecutorSettings(
            f"sqlite:///{self.folder}/dbos.sqlite", "core-test", max_hold_s=self.max_hold_s, poll_s=0.1
        )
        return Executor(settings, self.runs, self.registry, self.metrics, self.clock)

    @asynccontextmanager
    async def executing(self) -> AsyncIterator[Executor]:
        """A running executor for the length of an async with block."""
        executor = self.executor()
        await executor.start()
        try:
            yield executor
        finally:
            await executor.stop()

    def alert(self, name: str, *, is_resolved: bool = False) -> Alert:
        """The alert of the cause *name*."""
        labels = {"alertname": "KVCachePressure", "cluster": "local", "severity": "critical", "cause": name}
        state = AlertState.RESOLVED if is_resolved else AlertState.FIRING
        return Alert(labels, {"summary": "KV cache pressure"}, state, 1000.0, time.time() if is_resolved else None)

    def fire(self, name: str, runbook: str) -> str:
        """Open an incident that starts *runbook*; answers the run's id."""
        loaded, problems = loads_runbook(runbook, "runbook.yaml", self.registry)
        assert loaded is not None, problems
        wanted = RunbookToRun(loaded.runbook_id, loaded.name, loaded.revision, loaded.source_json)
        (run_id,) = self.incidents.ingest([self.alert(name)], time.time(), lambda alert: [wanted]).runs
        return run_id

    def resolve(self, name: str) -> None:
        """End the incident of that cause."""
        self.incidents.ingest([self.alert(name, is_resolved=True)], time.time(), lambda alert: [])

    def decide(self, run_id: str, step_id: str, *, is_granted: bool) -> None:
        """Decide the step's approval as U1, in the store only: the executor must find out by itself."""
        ApprovalRepository(self.database).decide(
            approval_id(run_id, step_id), is_granted=is_granted, person=Person("U1"), now=time.time()
        )

    async def until_run(self, run_id: str, *states: str) -> Run:
        """Wait until the run is in one of *states*."""
        return await self.until(
            lambda: self.runs.run(run_id), lambda run: run.state in states, lambda: self.say(run_id)
        )

    async def until_step(self, run_id: str, step_id: str, state: str) -> None:
        """Wait until a step is in *state*."""

        def has_state(rows: Sequence[Any]) -> bool:
            return any(row.step_id == step_id and row.state == state for row in rows)

        await self.until(lambda: self.runs.steps(run_id), has_state, lambda: self.say(run_id))

    async def until(self, read: Callable[[], T], is_so: Callable[[T], bool], say: Callable[[], str]) -> T:
        """Wait until what is read is so; answers it."""
        end = time.monotonic() + LIMIT_S
        while not is_so(found := await asyncio.to_thread(read)):
            assert time.monotonic() < end, f"it did not happen within {LIMIT_S} s:\n{say()}"
            await asyncio.sleep(0.02)
        return found

    def view(self, run_id: str) -> IncidentView:
        """The run's incident as people see it."""
        return self.views.view(self.runs.run(run_id).incident_id)

    def run_view(self, run_id: str) -> RunView:
        """The run as people see it."""
        return next(run for run in self.view(run_id).runs if run.run_id == run_id)

    def kinds(self, run_id: str) -> list[str]:
        """The kinds of the incident's timeline entries, in order."""
        return [entry.kind for entry in self.view(run_id).timeline]

    def texts(self, run_id: str) -> list[str]:
        """The texts of the incident's timeline entries, in order."""
        return [entry.text for entry in self.view(run_id).timeline]

    def say(self, run_id: str) -> str:
        """Everything that helps to understand a test that failed."""
        return "\n".join([str(self.run_view(run_id)), *self.texts(run_id)])

    async def in_force(self) -> int:
        """The batch limit of the server now."""
        return (await self.control.knob("local", "batch_limit")).in_force

    async def close(self) -> None:
        """Let go of files and connections."""
        await self.control.close()
        self.database.close()
