"""Performs one test: starts the bot, lets time pass and people act, kills and resumes it, and tells what was seen."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass

from opsbot.incident.view import IncidentView
from opsbot.runbook.holding import held_until
from opsbot.runbook.run import Run, RunState
from opsbot.runbook.store import AnnouncementRow, ApprovalRow, StepRow
from opsbot.testing.action import BadMock, Call
from opsbot.testing.case import Case
from opsbot.testing.script import Script
from opsbot.testing.store import quick_database
from opsbot.testing.virtual import NothingLeft, VirtualClock, VirtualLoop
from opsbot.testing.world import Process, World

LOOK_EVERY_S = 1.0
STOP_AFTER_S = 24 * 3600.0
"""A test that says nothing else ends after a day."""
AT_REST = frozenset({RunState.HOLDING, RunState.NEEDS_PERSON})
"""Where a run stays until somebody does something."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a test.

    Args:
        start_s: when it began, seconds since the epoch.
        runs: what the alert has started, the oldest first.
        steps: of the first run.
        calls: of mocked actions.
        deaths: where the process died.
        problems: why the test could not be performed as it is written.
        passed_s: virtual time; took_s: real time.
    """

    start_s: float
    runs: tuple[Run, ...]
    steps: tuple[StepRow, ...]
    view: IncidentView | None
    approvals: tuple[ApprovalRow, ...]
    announcements: tuple[AnnouncementRow, ...]
    calls: tuple[Call, ...]
    deaths: tuple[str, ...]
    problems: tuple[str, ...]
    passed_s: float
    took_s: float

    @property
    def run(self) -> Run | None:
        """The first run; None if there is none."""
        return self.runs[0] if self.runs else None

    def step(self, step_id: str) -> StepRow | None:
        """A step of it."""
        return next((row for row in self.steps if row.step_id == step_id), None)


def perform(case: Case) -> Seen:
    """Perform a test. Whatever the bot does wrong is in what was seen; nothing is raised."""
    began = time.perf_counter()
    with quick_database() as database, asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        clock = VirtualClock(loop)
        problems: list[str] = []

        async def whole() -> Seen:
            world = World(case, database, clock)
            script = Script(world)
            try:
                await _live(world, script)
            except BadMock as error:
                problems.append(str(error))
            if world.deaths.error is not None:
                problems.append(_broken(world.deaths.error))
            problems.extend(script.problems)
            problems.extend(f"{what}: nobody asked for it" for what in script.left())
            return _seen(world, tuple(problems), began)

        try:
            return runner.run(whole())
        except NothingLeft as error:
            return Seen(0.0, (), (), None, (), (), (), (), (str(error),), 0.0, time.perf_counter() - began)


async def _live(world: World, script: Script) -> None:
    while True:
        process = world.process()
        await process.executor.start()
        watching = asyncio.create_task(_watch(world, script, process))
        dying = asyncio.create_task(world.deaths.happened.wait())
        try:
            await asyncio.wait({watching, dying}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (watching, dying):
                task.cancel()
            results = await asyncio.gather(watching, dying, return_exceptions=True)
            await process.executor.stop()
        if not world.deaths.happened.is_set():
            error = results[0]
            if isinstance(error, BaseException):
                raise error
            return
        if world.deaths.error is not None:
            return
        world.deaths.revive()


async def _watch(world: World, script: Script, process: Process) -> None:
    """Let time pass until the test is over."""
    stop_at = world.case.test.stop_at or STOP_AFTER_S
    while True:
        world.written.clear()
        await script.look(process)
        if world.case.rules is not None and not script_is_over(world):
            alerts = world.alerts()
            if alerts:
                await process.desk.ingest(alerts)
                process.executor.wake()
        now = world.clock.now() - world.start_s
        is_at_rest = not script.has_orders and _is_at_rest(world)
        # The bot has had a second to answer what was done last.
        if now >= stop_at or (is_at_rest and world.clock.now() - world.written_at >= LOOK_EVERY_S):
            return
        next_at = script.next_at()
        due_s = math.inf if next_at is None else max(1 / 1024, next_at - now)
        must_look = is_at_rest or world.case.rules is not None
        await _pause(world, LOOK_EVERY_S if must_look else math.ceil(stop_at - now), due_s)


async def _pause(world: World, most_s: float, due_s: float) -> None:
    """Let *most_s* pass, but nothing beyond the first whole second after a write, and nothing beyond *due_s*.

    Where nothing is written there is nothing to see, and a look at each second would take most of a test's time.
    """
    began = world.clock.now()
    try:
        async with asyncio.timeout(min(most_s - LOOK_EVERY_S, due_s)):
            await world.written.wait()
    except TimeoutError:
        pass
    passed_s = world.clock.now() - began
    whole_s = LOOK_EVERY_S * (math.floor(passed_s / LOOK_EVERY_S) + 1)
    await asyncio.sleep(min(whole_s, due_s) - passed_s)


def script_is_over(world: World) -> bool:
    """Whether rules need not be asked any more: what they started has ended."""
    runs = world.runs()
    return bool(runs) and all(run.is_finished for run in runs)


def _is_at_rest(world: World) -> bool:
    """Whether nothing happens any more unless somebody does something."""
    runs = world.runs()
    if not runs:
        return world.case.rules is None
    if any(run.state is RunState.QUEUED for run in runs):
        return False
    return all(run.is_finished or _rests(world, run) or world.waits_for_a_word(run) for run in runs)


def _rests(world: World, run: Run) -> bool:
    """Whether a run waits for its incident or a person; one whose incident is over, or that has a time, does not."""
    is_over = held_until(run) is not None or world.stores.incidents.incident(run.incident_id).is_resolved
    is_letting_go = run.state is RunState.HOLDING and is_over
    return run.state in AT_REST and (not is_letting_go or world.stores.knobs.halt() is not None)


def _seen(world: World, problems: tuple[str, ...], began: float) -> Seen:
    runs = world.runs()
    first = runs[0] if runs else None
    return Seen(
        world.start_s,
        runs,
        () if first is None else world.stores.runs.steps(first.run_id),
        _view(world, first),
        world.approvals(),
        world.announcements(),
        tuple(world.server.calls),
        tuple(world.deaths.places),
        problems,
        world.clock.now() - world.start_s,
        time.perf_counter() - began,
    )


def _view(world: World, run: Run | None) -> IncidentView | None:
    if run is not None:
        return world.stores.views.view(run.incident_id)
    incidents = world.stores.incidents.incidents(include_resolved=True)
    return world.stores.views.view(incidents[-1].incident_id) if incidents else None


def _broken(error: BaseException) -> str:
    return str(error) if isinstance(error, BadMock) else f"{type(error).__name__}: {error}"
