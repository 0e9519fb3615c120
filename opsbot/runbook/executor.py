"""The executor: starts queued runs, wakes waiting ones, and keeps what they hold alive.

Everything it knows stands in the store, and it looks there every second; calls from outside only make it look sooner.
So a crash between a commit and a call loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from opsbot.clock import Clock
from opsbot.errors import InvalidTransition
from opsbot.incident.handle import handle_of
from opsbot.incident.timeline import TimelineEntry
from opsbot.people import Person
from opsbot.runbook.acting import Acting
from opsbot.runbook.action import ActionRegistry
from opsbot.runbook.advance import Advance
from opsbot.runbook.case import Cases, announcement_id, approval_id
from opsbot.runbook.consent import Consent
from opsbot.runbook.ending import Endings
from opsbot.runbook.gate import LOCK_WAIT_S, Gate
from opsbot.runbook.held import Holdings, RunLocks, is_live
from opsbot.runbook.keeper import LeaseKeeper
from opsbot.runbook.performing import Sleep
from opsbot.runbook.preparing import Preparing
from opsbot.runbook.probe import Prober
from opsbot.runbook.run import INTERPRETER_VERSION, RUN_TRANSITIONS, STEP_ENDS, Run, RunState, StepState
from opsbot.runbook.starting import Starting
from opsbot.runbook.store import Change, RunStore
from opsbot.runbook.workflow import Interpreter, RunEngine

logger = logging.getLogger(__name__)

ROUND_S = 1.0


@dataclass(frozen=True, slots=True)
class ExecutorSettings:
    """How runs are executed.

    Args:
        dbos_url: `sqlite:///…` or `postgresql+psycopg://…` of the durable workflows.
        executor_id: unique per replica and the same after its restart.
        max_hold_s: longest time a run renews its leases; past that a person must.
        poll_s: pause between two looks at a condition or at the store.
        clusters: every cluster that opsbot.yaml names.
        round_s: pause between two rounds of starting, waking and renewing; as long as poll_s unless stated.
        lock_wait_s: how long a step waits for a knob before it is given up.
    """

    dbos_url: str
    executor_id: str
    max_hold_s: float = 4 * 3600.0
    poll_s: float = ROUND_S
    clusters: tuple[str, ...] = ()
    round_s: float | None = None
    lock_wait_s: float = LOCK_WAIT_S


class Executor:
    """Executes runs durably. One in a process."""

    def __init__(
        self,
        settings: ExecutorSettings,
        store: RunStore,
        registry: ActionRegistry,
        prober: Prober,
        clock: Clock,
        engine: RunEngine | None = None,
    ) -> None:
        """Args: engine: what makes runs durable; DBOS unless stated."""
        self._settings = settings
        self._round_s = settings.poll_s if settings.round_s is None else settings.round_s
        self._store = store
        self._clock = clock
        locks = RunLocks()
        self._interpreter = interpreter(settings, store, registry, prober, clock, locks)
        self._keeper = LeaseKeeper(store, registry, clock, locks)
        self._durable = _dbos(settings) if engine is None else engine
        self._starting = Starting(store, registry, clock, settings.clusters, self._begin)
        self._woken = asyncio.Event()
        self._told: dict[str, str] = {}
        self._paused: set[str] = set()
        self._left_behind: set[str] = set()
        self._is_halted = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Go on with the runs that were under way, and start those that are queued."""
        runs = await asyncio.to_thread(self._store.unfinished)
        # They look once: whatever was said while nobody was there to tell them.
        self._left_behind = {run.run_id for run in runs if run.state is not RunState.QUEUED}
        await self._durable.start(self._interpreter.interpret)
        await self._adopt()
        self._tasks = [
            asyncio.create_task(self._keep_going(), name="executor"),
            asyncio.create_task(self._keep_leases(), name="lease keeper"),
        ]

    @property
    def is_running(self) -> bool:
        """Whether runs are started and their leases renewed."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    async def stop(self) -> None:
        """Leave every run where it is; its leases live on until they expire or are renewed after a start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._keeper.stop()
        await self._durable.stop()

    def wake(self) -> None:
        """Look at the store now: a run was queued, or an incident has ended."""
        self._woken.set()

    async def wake_run(self, run_id: str) -> None:
        """Make a run look at the store now. Harmless when repeated; not telling it costs a second."""
        await self._durable.wake(workflow_id(await asyncio.to_thread(self._store.run, run_id)))

    async def request_undo(self, run_id: str, person: Person) -> None:
        """Take back what the run holds. Durable when it returns; harmless when repeated.

        Raises: NotFoundError; InvalidTransition if nothing is held (any more).
        """
        await self._end_early(run_id, person, None)

    async def cancel(self, run_id: str, person: Person, reason: str) -> None:
        """Make no further step, and take back what was set. Durable when it returns; harmless when repeated.

        Raises: NotFoundError; InvalidTransition if the run is over.
        """
        await self._end_early(run_id, person, reason)

    async def _end_early(self, run_id: str, person: Person, reason: str | None) -> None:
        now = self._clock.now()

        def write() -> None:
            run = self._store.run(run_id)
            if run.state is RunState.UNDOING:
                return
            is_queued = run.state is RunState.QUEUED and reason is not None
            state = RunState.CANCELLED if is_queued else RunState.UNDOING
            if state not in RUN_TRANSITIONS[run.state] or (reason is None and not self._has_changed(run)):
                raise InvalidTransition(
                    f"run {handle_of(run_id)} is {run.state.value} and holds nothing that could be undone"
                )
            what = "undone" if reason is None else "cancelled"
            text = "Asked to undo what the runbook has set" if reason is None else f"Cancelled the run: {reason}"
            said = TimelineEntry(
                key=f"{run_id}:undo:{now:.3f}",
                incident_id=run.incident_id,
                at=now,
                actor=person.user_id,
                kind="run.undo_requested" if reason is None else "run.cancel_requested",
                text=text,
                via=person.via,
            )
            detail = f"{what} by {person.user_id}" + (f": {reason}" if reason else "")
            # A queued run that has begun meanwhile is not simply cancelled: it may have set something.
            expected = RunState.QUEUED if is_queued else None
            self._store.commit(Change(run_id, now, state=state, detail=detail, entries=(said,), expected=expected))

        try:
            await asyncio.to_thread(write)
        except InvalidTransition:
            # The run has moved on since it was read; if it still cannot be, that is so.
            await asyncio.to_thread(write)
        await self.wake_run(run_id)

    def _has_changed(self, run: Run) -> bool:
        return any(is_live(row) for row in self._store.steps(run.run_id))

    async def _keep_going(self) -> None:
        while True:
            await self._round("starting and waking runs", self._start_and_wake)
            # Not wait_for: where the event is set in the moment of a cancellation, that would swallow the latter.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._round_s):
                    await self._woken.wait()
            self._woken.clear()

    async def _keep_leases(self) -> None:
        while True:
            await self._round("renewing leases", self._renew)
            await asyncio.sleep(self._round_s)

    async def _round(self, what: str, do: Callable[[], Awaitable[None]]) -> None:
        try:
            await do()
        except Exception:
            # Whatever it was: a loop that ends would leave runs unstarted and leases to expire.
            logger.exception("%s failed; it is tried again in a moment", what)

    async def _renew(self) -> None:
        await self._keeper.round(await asyncio.to_thread(self._store.unfinished))

    async def _begin(self, run: Run) -> None:
        await self._durable.begin(run.run_id, workflow_id(run))

    async def _adopt(self) -> None:
        """Go on with every run that was under way, also one that an older interpreter began, or whose workflow is lost.

        All that they did stands in the store; one whose workflow is there is not begun twice.
        """
        for run in await asyncio.to_thread(self._store.unfinished):
            adopted = replace(run, interpreter_version=INTERPRETER_VERSION)
            if run.state is not RunState.QUEUED:
                # Begun before it is written down as adopted: a crash between the two adopts it again.
                await self._begin(adopted)
            if run.interpreter_version < INTERPRETER_VERSION:
                await asyncio.to_thread(self._store.adopt, run.run_id, INTERPRETER_VERSION)
                logger.info("run %s goes on under interpreter %d", run.run_id, INTERPRETER_VERSION)

    async def _start_and_wake(self) -> None:
        await self._starting.look()
        runs = await asyncio.to_thread(self._store.unfinished)
        self._told = {run.run_id: self._told.get(run.run_id, "") for run in runs}
        self._left_behind &= self._told.keys()
        halt = await asyncio.to_thread(self._store.halt)
        is_lifted, self._is_halted = self._is_halted and halt is None, halt is not None
        for run in runs:
            why = await asyncio.to_thread(self._why_wake, run)
            if is_lifted or (why and why != self._told[run.run_id]):
                await self._durable.wake(workflow_id(run))
            # Only the last: what happens a second time, such as another question answered, is told a second time.
            self._told[run.run_id] = why

    def _why_wake(self, run: Run) -> str:
        """What happened that the run may not have seen; empty if nothing did."""
        if run.state is RunState.UNDOING:
            return f"undo: {run.detail}"
        if run.state is RunState.QUEUED:
            return ""
        if not self._is_halted and self._store.incident(run.incident_id).is_resolved:
            return f"resolved while {run.state.value}"
        if run.paused_by:
            self._paused.add(run.run_id)
            return ""
        if run.run_id in self._paused:
            self._paused.discard(run.run_id)
            return f"resumed until {run.deadline}"
        if run.run_id in self._left_behind:
            # Once; from then on it is woken for what it waits for.
            self._left_behind.discard(run.run_id)
            return "core was started"
        # Also of one that runs: whoever answered may have set it so, and died before telling it.
        return self._what_people_said(run) if run.state in (RunState.RUNNING, RunState.WAITING) else ""

    def _what_people_said(self, run: Run) -> str:
        waits = False
        for row in self._store.steps(run.run_id):
            if row.skipped_by and row.state not in STEP_ENDS:
                return f"{row.step_id} is left out"
            if row.state is StepState.WAITING_APPROVAL:
                decided = self._store.approval(approval_id(run.run_id, row.step_id, row.num_asked)).state
                return "" if decided == "open" else f"{row.step_id} {row.num_asked} {decided}"
            if row.state is StepState.ANNOUNCING:
                said = self._store.announcement(announcement_id(run.run_id, row.step_id))
                return "" if said.state == "open" and not said.offers else f"{row.step_id} {said.state} {said.ends_at}"
            waits = waits or row.state is StepState.UNKNOWN
        return "" if waits else "nothing is waited for any more"


def _dbos(settings: ExecutorSettings) -> RunEngine:
    # Imported where it is used: tests of runbooks need no DBOS, and it takes longer to load than a test to run.
    from opsbot.runbook.durable import DurableRuns, DurableSettings

    return DurableRuns(DurableSettings(settings.dbos_url, settings.executor_id))


def workflow_id(run: Run) -> str:
    """The durable workflow that interprets the run: another for each interpreter, since none replays another's."""
    return run.run_id if run.interpreter_version == 1 else f"{run.run_id}@{run.interpreter_version}"


def interpreter(
    settings: ExecutorSettings,
    store: RunStore,
    registry: ActionRegistry,
    prober: Prober,
    clock: Clock,
    locks: RunLocks,
    sleep: Sleep = asyncio.sleep,
) -> Interpreter:
    """All that interprets a run, put together; *sleep* is how it pauses between two looks."""
    cases = Cases(store, registry, clock, settings.clusters)
    acting = Acting(cases, sleep)
    preparing = Preparing(cases, acting)
    consent = Consent(cases, preparing, sleep, settings.poll_s)
    gate = Gate(cases, sleep, settings.poll_s, settings.lock_wait_s)
    advance = Advance(cases, preparing, consent, gate, acting, prober, locks, sleep, settings.poll_s)
    holdings = Holdings(store, registry, clock, locks, settings.clusters, sleep)
    return Interpreter(advance, Endings(store, holdings, clock, settings.max_hold_s), clock)
