"""How a run begins and how it ends: hold what was set, give it back when the incident ends, or take it back.

These too are durable steps that may be run again: each looks at the store and moves the run one state further.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NotRequired, TypedDict

from opsbot.clock import Clock
from opsbot.errors import InvalidTransition
from opsbot.incident.incident import Incident, IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.runbook import texts
from opsbot.runbook.held import Holdings
from opsbot.runbook.holding import HOLD_IS_OVER, close_own_incident, held_until, how_held
from opsbot.runbook.loader import pinned_runbook
from opsbot.runbook.model import Runbook, Step
from opsbot.runbook.result import Next
from opsbot.runbook.run import Run, RunState, StepState
from opsbot.runbook.store import Change, RunStore, StepRow

_VERIFIED_OR_NOT = frozenset({StepState.SUCCEEDED, StepState.NOT_VERIFIED})
LOOK_AGAIN_S = 3600.0
"""A run that holds something is looked at this often even if nothing wakes it."""
TRY_AGAIN_S = 60.0
"""Pause before a release that failed is tried again, once the incident is over."""


class Ending(StrEnum):
    """Why the steps are over."""

    DONE = "done"
    REFUSED = "refused"
    STOPPED = "stopped"
    LATE = "late"
    FAILED = "failed"
    UNDO_STEP = "undo_step"
    INTERRUPTED = "interrupted"


class Standing(TypedDict):
    """Where a run stands after a look at it; plain JSON, since the workflow records it.

    *is_unsettled*: what follows its steps must wait, for the global stop to be lifted.
    """

    state: str
    until: float
    is_unsettled: NotRequired[bool]


class Beginning(TypedDict):
    """What the workflow needs of the run; plain JSON, since the workflow records it."""

    runbook_json: str
    revision: str
    is_past_steps: bool


@dataclass(frozen=True, slots=True)
class Endings:
    """Begins, settles and looks after runs. All state is in the store."""

    store: RunStore
    holdings: Holdings
    clock: Clock
    max_hold_s: float

    async def begin(self, run_id: str) -> Beginning:
        """Show every step as pending and start the run."""
        run = await asyncio.to_thread(self.store.run, run_id)
        runbook = pinned_runbook(run.runbook_json, run.revision)
        now = self.clock.now()
        known = {row.step_id for row in await asyncio.to_thread(self.store.steps, run_id)}
        steps = [
            await self._pending(run, position, step)
            for position, step in enumerate(runbook.all_steps)
            if step.step_id not in known
        ]
        state = RunState.RUNNING if run.state is RunState.QUEUED else None
        deadline = now + runbook.timeout_s if run.deadline is None else None
        detail = "" if state else None
        change = Change(run_id, now, tuple(steps), state=state, detail=detail, deadline=deadline)
        await asyncio.to_thread(self.store.commit, change)
        is_past = run.state not in (RunState.QUEUED, RunState.RUNNING, RunState.WAITING)
        return {"runbook_json": run.runbook_json, "revision": run.revision, "is_past_steps": is_past}

    async def _pending(self, run: Run, position: int, step: Step) -> StepRow:
        """A step's first row; one before the step that an attempt begins with is as the earlier attempt left it."""
        row = StepRow(step.step_id, position, step.name, step.uses, StepState.PENDING)
        if run.follows is None or run.from_step is None:
            return row
        runbook = pinned_runbook(run.runbook_json, run.revision)
        if position >= runbook.all_steps.index(runbook.step(run.from_step)):
            return row
        earlier = await asyncio.to_thread(self.store.steps, run.follows)
        before = next((one for one in earlier if one.step_id == step.step_id), None)
        outputs = None if before is None else before.outputs
        detail = (
            f"as the earlier attempt left it: {before.state.value}" if before else "not made by the earlier attempt"
        )
        return replace(row, state=StepState.SKIPPED, outputs=outputs, detail=detail, following=Next.GO_ON.value)

    async def settle(self, run_id: str, ending: Ending, detail: str, step_id: str) -> Standing:
        """Move the run to what follows its steps."""
        run = await asyncio.to_thread(self.store.run, run_id)
        if run.state in (RunState.UNDOING, RunState.NEEDS_PERSON, RunState.FINISHING) or run.is_finished:
            return await self.look_after(run_id)
        runbook = pinned_runbook(run.runbook_json, run.revision)
        if await self._must_wait(run, runbook, ending):
            return {**self._standing(run.state, None), "is_unsettled": True}
        if ending is Ending.UNDO_STEP:
            rows = tuple(row for row in await self.holdings.live(run_id) if row.step_id.partition("[")[0] == step_id)
            problems = await self.holdings.end(run, rows, "undone")
            if problems:
                return await self._give_to_person(run, "; ".join(problems))
        leases = await self.holdings.leases(run_id)
        live = await self.holdings.live(run_id)
        incident = await asyncio.to_thread(self.store.incident, run.incident_id)
        if ending is Ending.FAILED and live and runbook.on_failure == "rollback":
            return await self._take_back(await self._move(run, RunState.UNDOING, detail), detail)
        if incident.is_resolved and run.state is not RunState.HOLDING:
            return await self._let_go(run, RunState.SUCCEEDED if live else RunState.CANCELLED)
        if leases:
            return await self._hold(run, incident, ending, detail)
        return await self._end_without_leases(run, ending, detail)

    async def _must_wait(self, run: Run, runbook: Runbook, ending: Ending) -> bool:
        """Whether people have stopped everything, and what follows the steps would change something."""
        if await asyncio.to_thread(self.store.halt) is None:
            return False
        is_rollback = ending is Ending.FAILED and runbook.on_failure == "rollback"
        incident = await asyncio.to_thread(self.store.incident, run.incident_id)
        would_change = is_rollback or ending is Ending.UNDO_STEP or incident.is_resolved
        return would_change and bool(await self.holdings.live(run.run_id))

    async def look_after(self, run_id: str) -> Standing:
        """See whether the run must let go of what it holds, and let go of it."""
        run = await asyncio.to_thread(self.store.run, run_id)
        if run.is_finished or run.state is RunState.FINISHING:
            return {"state": run.state.value, "until": 0.0}
        if run.state is not RunState.UNDOING and await asyncio.to_thread(self.store.halt) is not None:
            # While people have stopped everything, nothing is given back by itself either.
            return self._standing(run.state, None)
        incident = await asyncio.to_thread(self.store.incident, run.incident_id)
        if run.state is RunState.UNDOING:
            return await self._take_back(run, run.detail)
        if incident.is_resolved and run.state is RunState.NEEDS_PERSON:
            if not await self.holdings.live(run_id):
                return await self._end(run, RunState.CANCELLED, "the incident has ended")
            why = "the incident has ended"
            return await self._take_back(await self._move(run, RunState.UNDOING, why), why)
        if incident.is_resolved:
            return await self._let_go(run, RunState.SUCCEEDED)
        until = (run.started_at or run.created_at) + self.max_hold_s
        gives_back_at = held_until(run)
        if gives_back_at is not None and self.clock.now() >= gives_back_at:
            return await self._give_back(run, RunState.SUCCEEDED, HOLD_IS_OVER)
        until = until if gives_back_at is None else min(until, gives_back_at)
        if run.state is RunState.HOLDING and self.clock.now() >= until:
            return await self._give_to_person(run, "held for too long; it is no longer renewed and ends by itself")
        return self._standing(run.state, until if run.state is RunState.HOLDING else None)

    async def finish(self, run_id: str) -> Standing:
        """End the run, now that its steps under `finally` are over."""
        run = await asyncio.to_thread(self.store.run, run_id)
        if run.is_finished:
            return {"state": run.state.value, "until": 0.0}
        assert run.ends_as is not None
        return await self._end(run, run.ends_as, run.detail)

    async def give_up(self, run_id: str, why: str) -> Standing:
        """Hand a run to a person because the bot itself cannot go on."""
        run = await asyncio.to_thread(self.store.run, run_id)
        if run.state is RunState.FINISHING:
            return await self.finish(run_id)
        if run.is_finished or run.state in (RunState.NEEDS_PERSON, RunState.UNDOING):
            return await self.look_after(run_id)
        return await self._give_to_person(run, why)

    async def _hold(self, run: Run, incident: Incident, ending: Ending, detail: str) -> Standing:
        held, until = how_held(run, self.clock.now())
        run = await self._move(run, RunState.HOLDING, f"{held}; {detail}" if detail else held, deadline=until)
        if run.state is not RunState.HOLDING:
            return await self.look_after(run.run_id)
        rows = await asyncio.to_thread(self.store.steps, run.run_id)
        runbook = pinned_runbook(run.runbook_json, run.revision)
        # An earlier step that was not enough by itself is what the later one was for.
        verified = [
            row
            for row in rows
            if "[" not in row.step_id and runbook.step(row.step_id).verify and row.state in _VERIFIED_OR_NOT
        ]
        is_verified = bool(verified) and verified[-1].state is StepState.SUCCEEDED
        if ending is Ending.DONE and is_verified and incident.state is not IncidentState.MITIGATED:
            now = self.clock.now()
            text = f"Mitigated by runbook: {runbook.name}. What it set is {held}."
            said = texts.entry(run, "mitigated", "incident.mitigated", text, now, is_broadcast=True)
            try:
                await asyncio.to_thread(
                    self.store.move_incident, incident.incident_id, IncidentState.MITIGATED, now, entry=said
                )
            except InvalidTransition:
                # It was resolved a moment ago; the next look lets go of what is held.
                return await self.look_after(run.run_id)
        return await self.look_after(run.run_id)

    async def _end_without_leases(self, run: Run, ending: Ending, detail: str) -> Standing:
        match ending:
            case Ending.FAILED | Ending.LATE:
                return await self._end(run, RunState.FAILED, detail)
            case Ending.REFUSED:
                return await self._end(run, RunState.CANCELLED, detail)
            case Ending.UNDO_STEP:
                return await self._end(await self._move(run, RunState.UNDOING, detail), RunState.UNDONE, detail)
            case Ending.DONE | Ending.STOPPED | Ending.INTERRUPTED:
                return await self._end(run, RunState.SUCCEEDED, detail)

    async def _let_go(self, run: Run, state: RunState) -> Standing:
        runbook = pinned_runbook(run.runbook_json, run.revision)
        if runbook.on_resolve == "keep":
            return await self._end(run, state, "the incident has ended; what was set is kept until it expires")
        return await self._give_back(run, state, "the incident has ended")

    async def _give_back(self, run: Run, state: RunState, why: str) -> Standing:
        problems = await self.holdings.end(run, await self.holdings.leases(run.run_id), "released")
        if problems:
            return await self._give_to_person(run, "; ".join(problems))
        return await self._end(run, state, why)

    async def _take_back(self, run: Run, detail: str) -> Standing:
        problems = await self.holdings.end(run, await self.holdings.live(run.run_id), "undone")
        if problems:
            return await self._give_to_person(run, "; ".join(problems))
        rows = await asyncio.to_thread(self.store.steps, run.run_id)
        has_acted = any(row.idempotency_key is not None for row in rows)
        return await self._end(run, RunState.UNDONE if has_acted else RunState.CANCELLED, detail)

    async def _give_to_person(self, run: Run, why: str) -> Standing:
        now = self.clock.now()
        text = f"A person must look at runbook {run.runbook_id}: {why}"
        fact = f"needs_person:{texts.short_digest(why)}"
        said = texts.entry(run, fact, "run.needs_person", text, now, is_broadcast=True)
        moved = await self._move(run, RunState.NEEDS_PERSON, why, said=said)
        return self._standing(moved.state, None)

    async def _end(self, run: Run, state: RunState, detail: str) -> Standing:
        now = self.clock.now()
        if run.state is not RunState.FINISHING and pinned_runbook(run.runbook_json, run.revision).finals:
            change = Change(run.run_id, now, state=RunState.FINISHING, detail=detail, ends_as=state)
            moved = await self._commit(run, change)
            return (
                {"state": moved.state.value, "until": 0.0}
                if moved.state is RunState.FINISHING
                else (await self.look_after(run.run_id))
            )
        if state is not RunState.FAILED:
            await asyncio.to_thread(close_own_incident, self.store, run, now)
        text = f"Runbook ended ({state.value})" + (f": {detail}" if detail else "")
        said = texts.entry(run, "ended", "run.ended", text, now)
        moved = await self._move(run, state, detail, said=said)
        if not moved.is_finished:
            return await self.look_after(run.run_id)
        self.holdings.locks.forget(run.run_id)
        return {"state": moved.state.value, "until": 0.0}

    async def _move(
        self,
        run: Run,
        state: RunState,
        detail: str,
        *,
        said: TimelineEntry | None = None,
        deadline: float | None = None,
    ) -> Run:
        entries = () if said is None else (said,)
        change = Change(run.run_id, self.clock.now(), state=state, detail=detail, deadline=deadline, entries=entries)
        return await self._commit(run, change)

    async def _commit(self, run: Run, change: Change) -> Run:
        """Move the run; a person who pressed Undo a moment earlier wins."""
        try:
            await asyncio.to_thread(self.store.commit, change)
        except InvalidTransition:
            current = await asyncio.to_thread(self.store.run, run.run_id)
            if current.state is not RunState.UNDOING:
                raise
            return current
        return await asyncio.to_thread(self.store.run, run.run_id)

    def _standing(self, state: RunState, until: float | None) -> Standing:
        soonest = TRY_AGAIN_S if state is RunState.NEEDS_PERSON else LOOK_AGAIN_S
        again = self.clock.now() + soonest
        return {"state": state.value, "until": again if until is None else min(until, again)}
