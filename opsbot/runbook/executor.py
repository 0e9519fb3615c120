"""The executor: starts queued runs, wakes waiting ones, and keeps what they hold alive.

Everything it knows stands in the store, and it looks there every second; calls from outside only make it look sooner.
So a crash between a commit and a call loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from opsbot.clock import Clock
from opsbot.errors import InvalidTransition
from opsbot.incident.timeline import TimelineEntry
from opsbot.people import Person
from opsbot.runbook.acting import Acting
from opsbot.runbook.action import ActionRegistry
from opsbot.runbook.durable import DurableRuns, DurableSettings
from opsbot.runbook.ending import Endings
from opsbot.runbook.held import Holdings, RunLocks, is_live
from opsbot.runbook.keeper import LeaseKeeper
from opsbot.runbook.probe import Prober
from opsbot.runbook.run import RUN_TRANSITIONS, Run, RunState, StepState
from opsbot.runbook.stages import Stages, approval_id
from opsbot.runbook.store import ApprovalRow, RunStore
from opsbot.runbook.workflow import Interpreter

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
    """

    dbos_url: str
    executor_id: str
    max_hold_s: float = 4 * 3600.0
    poll_s: float = ROUND_S


class Executor:
    """Executes runs durably. One in a process."""

    def __init__(
        self, settings: ExecutorSettings, store: RunStore, registry: ActionRegistry, prober: Prober, clock: Clock
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        locks = RunLocks()
        acting = Acting(store, registry, clock)
        stages = Stages(store, registry, prober, clock, acting, locks, settings.poll_s)
        endings = Endings(store, Holdings(store, registry, clock, locks), clock, settings.max_hold_s)
        self._interpreter = Interpreter(stages, endings, clock)
        self._keeper = LeaseKeeper(store, registry, clock, locks)
        self._durable = DurableRuns(DurableSettings(settings.dbos_url, settings.executor_id))
        self._woken = asyncio.Event()
        self._told: dict[str, set[str]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Go on with the runs that were under way, and start those that are queued."""
        await self._durable.start(self._interpreter.interpret)
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
        await self._durable.stop()

    def wake(self) -> None:
        """Look at the store now: a run was queued, or an incident has ended."""
        self._woken.set()

    async def notify_decision(self, approval: ApprovalRow) -> None:
        """Tell the run that its approval was decided. Harmless when repeated; not telling it costs a second."""
        await self._durable.wake(approval.run_id)

    async def request_undo(self, run_id: str, person: Person) -> None:
        """Take back what the run holds. Durable when it returns; harmless when repeated.

        Raises: NotFoundError; InvalidTransition if nothing is held (any more).
        """
        now = self._clock.now()

        def write() -> None:
            run = self._store.run(run_id)
            if run.state is RunState.UNDOING:
                return
            if RunState.UNDOING not in RUN_TRANSITIONS[run.state] or not self._has_changed(run):
                raise InvalidTransition(f"run {run_id} is {run.state.value} and holds nothing that could be undone")
            said = TimelineEntry(
                key=f"{run_id}:undo:{now:.3f}",
                incident_id=run.incident_id,
                at=now,
                actor=person.user_id,
                kind="run.undo_requested",
                text="Asked to undo what the runbook has set",
                via=person.via,
            )
            self._store.move_run(run_id, RunState.UNDOING, f"undone by {person.user_id}", now, entry=said)

        await asyncio.to_thread(write)
        await self._durable.wake(run_id)

    def _has_changed(self, run: Run) -> bool:
        return any(is_live(row) for row in self._store.steps(run.run_id))

    async def _keep_going(self) -> None:
        while True:
            await self._round("starting and waking runs", self._start_and_wake)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._settings.poll_s)
            self._woken.clear()

    async def _keep_leases(self) -> None:
        while True:
            await self._round("renewing leases", self._renew)
            await asyncio.sleep(self._settings.poll_s)

    async def _round(self, what: str, do: Callable[[], Awaitable[None]]) -> None:
        try:
            await do()
        except Exception:
            # Whatever it was: a loop that ends would leave runs unstarted and leases to expire.
            logger.exception("%s failed; it is tried again in a moment", what)

    async def _renew(self) -> None:
        await self._keeper.round(await asyncio.to_thread(self._store.unfinished))

    async def _start_and_wake(self) -> None:
        for run in await asyncio.to_thread(self._store.queued):
            await self._durable.begin(run.run_id)
        runs = await asyncio.to_thread(self._store.unfinished)
        self._told = {run.run_id: self._told.get(run.run_id, set()) for run in runs}
        for run in runs:
            why = await asyncio.to_thread(self._why_wake, run)
            if why and why not in self._told[run.run_id]:
                await self._durable.wake(run.run_id)
                self._told[run.run_id].add(why)

    def _why_wake(self, run: Run) -> str:
        """What happened that the run may not have seen; empty if nothing did."""
        if run.state is RunState.UNDOING:
            return f"undo: {run.detail}"
        if run.state is RunState.QUEUED:
            return ""
        if self._store.incident(run.incident_id).is_resolved:
            return f"resolved while {run.state.value}"
        if run.state is RunState.WAITING:
            for row in self._store.steps(run.run_id):
                if row.state is StepState.WAITING_APPROVAL:
                    decided = self._store.approval(approval_id(run.run_id, row.step_id)).state
                    return "" if decided == "open" else f"{row.step_id} {decided}"
        return ""
