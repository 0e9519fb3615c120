"""Random runbooks, decisions, failures and crashes: a run always ends, and never does what it must not.

The interpreter and the store are the real ones; the durable engine is a list of recorded answers, and time is virtual.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsbot.people import Person
from opsbot.runbook.action import ActionContext, Outcome
from opsbot.runbook.case import approval_id
from opsbot.runbook.executor import ExecutorSettings, interpreter
from opsbot.runbook.held import RunLocks, is_live
from opsbot.runbook.run import RunState, StepState
from tests.support.noted import NotedWorld, runbook
from tests.support.noting import Fault, Note, NoteArguments
from tests.support.settling import settle

T = TypeVar("T")

MOST_STAGES = 150
MAX_EXAMPLES = 100


class Crash(BaseException):
    """The process dies."""


class VirtualClock:
    """Implements Clock; sleeping moves it."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Time passes."""
        self._now += max(0.0, seconds)


@dataclass
class Plan:
    """One example.

    Args:
        faults: what the first calls about each step meet.
        decisions: of each step's approval: whether it is granted, or None if nobody decides.
        verdicts: the metrics' answers, in order; they hold afterwards.
        crashes: before or after which stage, counted over all lives, the process dies.
        num_halted: so many waits pass before a global stop, in force from the start, is lifted.
    """

    text: str
    faults: dict[str, list[Fault]]
    decisions: dict[str, bool | None]
    verdicts: list[str]
    crashes: set[tuple[int, str]]
    num_halted: int


class Journal:
    """Implements Durable: what was answered is answered again."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._answers: list[Any] = []
        self._at = 0

    def again(self) -> Journal:
        """The same answers, for the next life."""
        self._at = 0
        return self

    async def stage(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        if self._at < len(self._answers):
            self._at += 1
            found: T = self._answers[self._at - 1]
            return found
        self._play.maybe_crash("before")
        answer = await call()
        self._play.maybe_crash("after")
        self._play.num_stages += 1
        assert self._play.num_stages < MOST_STAGES, f"it does not end:\n{self._play.say()}"
        self._answers.append(answer)
        self._at += 1
        return answer

    async def wait(self, timeout_s: float) -> None:
        if self._at < len(self._answers):
            self._at += 1
            return
        if not self._play.people_act():
            await self._play.clock.sleep(timeout_s)
        self._answers.append(None)
        self._at += 1


class Watched(Note):
    """Writes, and sees that it may."""

    play: Play

    async def act(self, arguments: NoteArguments, context: ActionContext) -> Outcome:
        self.play.may_act(arguments.what, context)
        return await super().act(arguments, context)


@dataclass
class Play:
    """One run of one example."""

    world: NotedWorld
    plan: Plan
    clock: VirtualClock
    run_id: str = ""
    num_stages: int = 0
    num_waits: int = 0
    has_pressed_undo: bool = False
    crashes: set[tuple[int, str]] = field(default_factory=set)

    def say(self) -> str:
        """For a failure."""
        lines = [line for line in self.world.notes.lines() if line[2].startswith(self.run_id)]
        return f"{self.plan}\n{self.world.say(self.run_id)}\n{lines}"

    def maybe_crash(self, where: str) -> None:
        """Die, once, where the plan says so."""
        if (self.num_stages, where) in self.crashes:
            self.crashes.discard((self.num_stages, where))
            raise Crash

    def may_act(self, what: str, context: ActionContext) -> None:
        """An act needs its approval, and no global stop."""
        assert self.world.runs.halt() is None, f"{what} acted while everything was stopped:\n{self.say()}"
        step_id = what.rstrip("0123456789")
        if step_id in self.plan.decisions:
            asked = self.world.row(self.run_id, step_id).num_asked
            state = self.world.runs.approval(approval_id(self.run_id, step_id, asked)).state
            assert state == "granted", f"{what} acted, and its approval is {state}:\n{self.say()}"

    def people_act(self) -> bool:
        """Whoever is asked answers, as planned; answers whether somebody did something."""
        self.num_waits += 1
        if self.world.runs.halt() is not None:
            if self.num_waits > self.plan.num_halted:
                self.world.knobs.go_on(Person("U5"), self.clock.now())
            return True
        keys = {key for _, _, key in self.world.notes.lines()}
        has_acted = False
        if self.world.runs.run(self.run_id).state is RunState.NEEDS_PERSON:
            # An undo said no; the person tries again.
            self.world.runs.move_run(self.run_id, RunState.UNDOING, "undone by U1", self.clock.now())
            self.has_pressed_undo = has_acted = True
        for row in self.world.runs.steps(self.run_id):
            if row.state is StepState.WAITING_APPROVAL and self.plan.decisions[row.step_id] is not None:
                self.world.approvals.decide(
                    approval_id(self.run_id, row.step_id, row.num_asked),
                    is_granted=bool(self.plan.decisions[row.step_id]),
                    person=Person("U1"),
                    now=self.clock.now(),
                )
                has_acted = True
            elif row.state is StepState.UNKNOWN:
                happened = row.idempotency_key in keys
                settle(self.world.runs, self.run_id, row.step_id, self.clock.now(), happened=happened)
                has_acted = True
        return has_acted

    async def run(self) -> None:
        """Live as often as it takes."""
        self.crashes = set(self.plan.crashes)
        journal = Journal(self)
        while True:
            engine = interpreter(
                ExecutorSettings("", "", poll_s=1.0),
                self.world.runs,
                self.world.registry,
                self.world.metrics,
                self.clock,
                RunLocks(),
                self.clock.sleep,
            )
            try:
                await engine.interpret(self.run_id, journal.again())
            except Crash:
                continue
            return

    def check(self) -> None:
        """What must be true of the end, whatever happened."""
        run = self.world.runs.run(self.run_id)
        assert run.is_finished, self.say()
        lines = [line for line in self.world.notes.lines() if line[2].startswith(f"{self.run_id}:")]
        keys = [key for _, _, key in lines]
        assert len(keys) == len(set(keys)), f"done twice:\n{self.say()}"
        if run.state is RunState.UNDONE:
            # `on_verify_failed: undo` takes its own step back and keeps what earlier ones did.
            is_whole = self.plan.text.count("on_verify_failed: undo") == 0
            rows = [row for row in self.world.runs.steps(self.run_id) if row.step_id != "last"]
            assert not is_whole or not any(is_live(row) for row in rows), self.say()
            done = [what for word, what, _ in lines if word == "do" and what != "last"]
            undone = [what for word, what, _ in lines if word == "undo"]
            wanted = list(reversed(done))
            if self.has_pressed_undo:
                # What said no is taken back after the others.
                assert sorted(undone) == sorted(wanted), self.say()
                return
            assert undone == wanted if is_whole else undone == wanted[: len(undone)], self.say()
        assert self.run_id not in self.world.locks().values(), self.say()


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A runbook of one to four steps, and all that happens to its run."""
    names = ["a", "b", "c", "d"][: draw(st.integers(1, 4))]
    decisions: dict[str, bool | None] = {}
    faults: dict[str, list[Fault]] = {}
    steps = []
    for name in names:
        keys = [f"id: {name}", f"name: Step {name}", "retry: {attempts: 2, delay: 1s}"]
        is_many = draw(st.booleans())
        what = f"'{name}${{{{ item }}}}'" if is_many else name
        uses = draw(st.sampled_from(["tests.note", "tests.turn"]))
        keys += [f"uses: {uses}", f"with: {{what: {what}}}", f"undo: {{uses: tests.unnote, with: {{what: {what}}}}}"]
        if is_many:
            keys.append("foreach: \"['1', '2', '3']\"")
        if draw(st.booleans()):
            decisions[name] = draw(st.sampled_from([True, True, False, None]))
            keys.append("approval: {from: responder}")
        if draw(st.booleans()):
            keys.append("verify: {expr: up == 1, for: 1s, timeout: 3s}")
            keys.append(f"on_verify_failed: {draw(st.sampled_from(['continue', 'stop', 'undo']))}")
            if is_many and draw(st.booleans()):
                keys.append("stages: [1, 100%]")
        if draw(st.booleans()):
            keys.append("continue_on_error: true")
        faulty: list[Fault] = draw(
            st.lists(st.sampled_from(["passed", "unreachable", "failed", "answer_lost"]), max_size=2)
        )
        faults[f"{name}{draw(st.sampled_from('123'))}" if is_many else name] = faulty
        steps.append(f"{{{', '.join(keys)}}}")
    on_failure = draw(st.sampled_from(["rollback", "stop"]))
    more = f"on_failure: {on_failure}\n"
    if draw(st.booleans()):
        more += "finally:\n  - {id: last, name: Last, uses: tests.note, with: {what: last}}\n"
    return Plan(
        runbook("\n".join(steps), more=more),
        faults,
        decisions,
        draw(st.lists(st.sampled_from(["holds", "fails", "unknown"]), max_size=6)),
        draw(st.sets(st.tuples(st.integers(0, 12), st.sampled_from(["before", "after"])), max_size=4)),
        draw(st.sampled_from([0, 0, 2])),
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotedWorld]:
    """One store for all examples; each has an incident of its own."""
    folder: Path = tmp_path_factory.mktemp("runs")
    world = NotedWorld(folder)
    watched = [
        type(one.name, (Watched, type(one)), {}) for one in world.actions if type(one).__name__ in ("Note", "Turn")
    ]
    kept = [one for one in world.actions if type(one).__name__ not in ("Note", "Turn")]
    world.actions = [*kept, *(one(world.notes) for one in watched)]
    yield world
    world.database.close()


NUMBERS = count()


@settings(
    max_examples=MAX_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(plan=plans())
def test_whatever_happens_to_a_run(world: NotedWorld, plan: Plan) -> None:
    """It ends, does nothing twice and nothing unasked, and what is undone is undone as a whole, the youngest first."""
    play = Play(world, plan, VirtualClock(world.clock.now()))
    for one in world.actions:
        if isinstance(one, Watched):
            one.play = play
    verdicts = iter(plan.verdicts)

    async def check(expr: str) -> Any:
        return next(verdicts, "holds")

    world.metrics.check = check  # type: ignore[method-assign]
    world.notes.faults = {what: list(found) for what, found in plan.faults.items()}
    play.run_id = world.fire(f"n{next(NUMBERS)}", plan.text)
    world.knobs.go_on(Person("U5"), play.clock.now())
    if plan.num_halted:
        world.knobs.stop_all("a test", Person("U5"), play.clock.now())
    asyncio.run(play.run())
    play.check()
