"""A durable engine in memory: what it has recorded outlives it, as DBOS's database outlives a process.

A workflow that is begun again takes the recorded answers, in order. One that would take another way is a mistake of
the interpreter, and is told as such.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from opsbot.clock import Clock
from opsbot.runbook.workflow import FIRST_PAUSE_S, STAGE_TRIES, Durable, StageFailed
from opsbot.testing.crash import Deaths
from opsbot.testing.current import step_of_stage

T = TypeVar("T")
Interpret = Callable[[str, Durable], Coroutine[Any, Any, str]]

MAX_RECORDS = 20_000
"""Of one run; more is a loop that would fill a disk."""


class WentAnotherWay(BaseException):
    """A replay asked for something else than the first time: runs could not be resumed."""


class Endless(BaseException):
    """A run records without end."""


@dataclass(slots=True)
class _Record:
    """One answer; of a wait, when it ends at the latest, and whether it has ended."""

    name: str
    answer: str = ""
    error: str = ""
    until: float = 0.0
    is_done: bool = False


@dataclass(slots=True)
class Workflow:
    """What is durable of one run."""

    run_id: str
    records: list[_Record] = field(default_factory=list)
    num_messages: int = 0
    is_over: bool = False


Journal = dict[str, Workflow]
"""By workflow id; it outlives engines."""


class MemoryEngine:
    """Implements RunEngine over a journal."""

    def __init__(self, journal: Journal, clock: Clock, deaths: Deaths) -> None:
        self._journal = journal
        self._clock = clock
        self._deaths = deaths
        self._interpret: Interpret | None = None
        self._told: dict[str, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, run: Interpret) -> None:
        """Go on with the workflows that were left behind."""
        self._interpret = run
        for name, workflow in self._journal.items():
            if not workflow.is_over:
                self._go(name, workflow)

    async def stop(self) -> None:
        """Let go of the workflows where they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def begin(self, run_id: str, workflow_id: str) -> None:
        """Start the run's workflow; the same id again is the same workflow."""
        if workflow_id not in self._journal:
            self._journal[workflow_id] = Workflow(run_id)
            self._go(workflow_id, self._journal[workflow_id])

    async def wake(self, workflow_id: str) -> None:
        """Make the run look at the store now."""
        if workflow_id in self._journal:
            self._journal[workflow_id].num_messages += 1
            self._told[workflow_id].set()

    def _go(self, name: str, workflow: Workflow) -> None:
        self._told[name] = asyncio.Event()
        self._tasks.append(asyncio.create_task(self._run(name, workflow), name=name))

    async def _run(self, name: str, workflow: Workflow) -> None:
        assert self._interpret is not None
        replay = Replay(name, workflow, self._told[name], self._clock, self._deaths)
        try:
            await self._interpret(workflow.run_id, replay)
            workflow.is_over = True
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._deaths.ended(error)


class Replay:
    """Implements Durable for one workflow in one process."""

    def __init__(self, name: str, workflow: Workflow, told: asyncio.Event, clock: Clock, deaths: Deaths) -> None:
        self._name = name
        self._workflow = workflow
        self._told = told
        self._clock = clock
        self._deaths = deaths
        self._at = 0

    async def stage(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        """The recorded answer of *call*, which is run (again) until one is recorded."""
        record = self._next(name)
        if not record.is_done:
            with step_of_stage(name):
                await self._answer(record, call)
            record.is_done = True
            self._deaths.after(f"stage {self._name} {name} {record.answer}")
        if record.error:
            raise StageFailed(record.error)
        answer: T = json.loads(record.answer)
        return answer

    async def _answer(self, record: _Record, call: Callable[[], Awaitable[T]]) -> None:
        pause_s = FIRST_PAUSE_S
        for number in range(1, STAGE_TRIES + 1):
            try:
                record.answer = json.dumps(await call())
                return
            except Exception as error:
                if number == STAGE_TRIES:
                    record.error = f"{record.name}: {type(error).__name__}: {error}"
                    return
            await asyncio.sleep(pause_s)
            pause_s *= 2

    async def wait(self, timeout_s: float) -> None:
        """Return at the next message, or after *timeout_s* counted across crashes."""
        record = self._next("wait")
        if record.is_done:
            return
        if not record.until:
            record.until = self._clock.now() + timeout_s
        while self._workflow.num_messages == 0 and self._clock.now() < record.until:
            self._told.clear()
            try:
                await asyncio.wait_for(self._told.wait(), record.until - self._clock.now())
            except TimeoutError:
                break
        self._workflow.num_messages = max(0, self._workflow.num_messages - 1)
        record.is_done = True

    def _next(self, name: str) -> _Record:
        records = self._workflow.records
        if self._at == len(records):
            if len(records) == MAX_RECORDS:
                raise Endless(f"run {self._workflow.run_id} has recorded {MAX_RECORDS} answers, the last of {name!r}")
            records.append(_Record(name))
        record = records[self._at]
        self._at += 1
        if record.name != name:
            raise WentAnotherWay(
                f"resumed, run {self._workflow.run_id} asked for {name!r} where it had asked for {record.name!r} before"
            )
        return record
