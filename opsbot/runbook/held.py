"""What a run holds: the leases it has taken and not given back, and how one of them is released.

Renewing and releasing the same lease exclude each other through the run's lock.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from opsbot.clock import Clock
from opsbot.errors import ActionError, OpsbotError
from opsbot.runbook import texts
from opsbot.runbook.action import Action, ActionContext, ActionRegistry
from opsbot.runbook.loader import pinned_runbook
from opsbot.runbook.model import Runbook, Step
from opsbot.runbook.performing import Sleep, insist, perform
from opsbot.runbook.plan import plan_arguments
from opsbot.runbook.run import Run, StepState
from opsbot.runbook.scope import Earlier, RunFacts, incident_of, result_variables, values, variables
from opsbot.runbook.store import Change, RunStore, StepRow

How = Literal["released", "undone"]


_MAY_HAVE_HAPPENED = frozenset({StepState.ACTING, StepState.FAILED, StepState.UNKNOWN})
"""What a live step in one of these did is not recorded."""


class RunLocks:
    """One lock for each run, shared by whoever renews and whoever releases."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def of(self, run_id: str) -> asyncio.Lock:
        """The run's lock."""
        return self._locks[run_id]

    def forget(self, run_id: str) -> None:
        """Drop a finished run's lock."""
        self._locks.pop(run_id, None)


def is_live(row: StepRow) -> bool:
    """Whether the step has changed something, or may have, that was not taken back."""
    return row.idempotency_key is not None and not row.lease_released and row.state is not StepState.UNDONE


def key_of(run_id: str, step_id: str, attempt: int) -> str:
    """The idempotency key of one act."""
    return f"{run_id}:{step_id}:{attempt}"


def attempt_of(row: StepRow) -> int:
    """Which act of the step the row's key belongs to."""
    assert row.idempotency_key is not None
    return int(row.idempotency_key.rsplit(":", 1)[1])


@dataclass(frozen=True, slots=True)
class Holdings:
    """Reads and ends what runs hold."""

    store: RunStore
    registry: ActionRegistry
    clock: Clock
    locks: RunLocks
    clusters: tuple[str, ...] = ()
    sleep: Sleep = asyncio.sleep

    async def live(self, run_id: str) -> tuple[StepRow, ...]:
        """The run's live steps, in order."""
        rows = await asyncio.to_thread(self.store.steps, run_id)
        return tuple(row for row in rows if is_live(row))

    async def leases(self, run_id: str) -> tuple[StepRow, ...]:
        """Those of them that hold a lease."""
        return tuple(row for row in await self.live(run_id) if self._takes_lease(row))

    async def end(self, run: Run, rows: Iterable[StepRow], how: How) -> tuple[str, ...]:
        """Release or undo *rows*, the youngest first; answers why some could not be. Harmless when repeated."""
        problems: list[str] = []
        async with self.locks.of(run.run_id):
            wanted = {row.step_id for row in rows}
            # Read again under the lock: a renewal may have changed a row meanwhile.
            for row in reversed([row for row in await self.live(run.run_id) if row.step_id in wanted]):
                try:
                    text = await self._end_one(run, row, how)
                except OpsbotError as error:
                    problems.append(f"{row.name}: {error}")
                    is_unknown = isinstance(error, ActionError) and error.outcome_unknown
                    # An undo that may have happened keeps its intent, so that it is looked up and not repeated.
                    state = StepState.UNDOING if is_unknown and self._has_undo(run, row, how) else row.state
                    left = replace(row, state=state, detail=str(error))
                    await asyncio.to_thread(self.store.put_step, run.run_id, left, self.clock.now())
                else:
                    await self._record(run, row, how, text)
        return tuple(problems)

    def _has_undo(self, run: Run, row: StepRow, how: How) -> bool:
        step = pinned_runbook(run.runbook_json, run.revision).step(row.step_id)
        is_open = row.state in _MAY_HAVE_HAPPENED
        return how == "undone" and step.undo is not None and not self._takes_lease(row) and not is_open

    async def _end_one(self, run: Run, row: StepRow, how: How) -> str:
        """End what the row holds; answers one sentence, or nothing where nothing was held."""
        runbook = pinned_runbook(run.runbook_json, run.revision)
        step = runbook.step(row.step_id)
        action = self.registry.get(row.uses)
        arguments = action.arguments.model_validate(row.arguments)
        key = row.idempotency_key
        assert key is not None
        if action.takes_lease:
            lease_id = row.lease_id
            if lease_id is None:
                # Its answer was lost: the key tells whether it happened.
                found = await insist(step, action, lambda: action.find(arguments, key), self.sleep)
                lease_id = found.lease_id if found else None
            if lease_id is None:
                return ""
            return await insist(step, action, lambda: action.release(arguments, lease_id), self.sleep)
        if how == "released":
            return ""
        if step.undo is None:
            return f"{row.name}: there is no undo, it stays as it is"
        if row.state in _MAY_HAVE_HAPPENED:
            if row.state is StepState.UNKNOWN:
                raise ActionError("it is unknown whether it happened, so it is not undone: somebody must say first")
            found = await insist(step, action, lambda: action.find(arguments, key), self.sleep)
            if found is None:
                return ""
            row = replace(row, outputs=found.outputs)
        return await self._undo_action(run, runbook, step, row)

    async def _record(self, run: Run, row: StepRow, how: How, text: str) -> None:
        now = self.clock.now()
        state = StepState.UNDONE if how == "undone" and row.state is not StepState.FAILED else row.state
        ended = replace(row, state=state, lease_released=True, detail=text or row.detail)
        fact = f"{how}:{attempt_of(row)}"
        said = texts.entry(run, fact, f"step.{how}", f"{how.capitalize()}: {text}", now, step_id=row.step_id)
        entries = (said,) if text else ()
        change = Change(run.run_id, now, (ended,), entries=entries, frees_locks=True)
        await asyncio.to_thread(self.store.commit, change)

    async def _undo_action(self, run: Run, runbook: Runbook, step: Step, row: StepRow) -> str:
        assert step.undo is not None
        action: Action[Any] = self.registry.get(step.undo.uses)
        incident = incident_of(run, await asyncio.to_thread(self.store.incident, run.incident_id))
        rows = await asyncio.to_thread(self.store.steps, run.run_id)
        results = {one.step_id: Earlier(one.state.value, one.outputs or {}) for one in rows}
        facts = RunFacts(run.run_id, run.requester, run.is_drill, run.inputs, self.clusters)
        yielded = {
            f"result.{name}": (row.outputs or {}).get(name) for name in self.registry.get(row.uses).output_names()
        }
        known = {**values(runbook, step, incident, facts, results, self.registry), **yielded}
        if step.foreach is not None:
            known["item"] = row.item
        plan = plan_arguments(
            step.undo.arguments,
            action,
            {**variables(runbook, step, self.registry), **result_variables(step, self.registry)},
            known,
            incident.labels,
            None,
        )
        context = ActionContext(
            run.run_id, f"{row.idempotency_key}:undo", f"undo of {row.name}", None, run.incident_id, run.is_drill
        )
        was_begun = row.state is StepState.UNDOING
        if not was_begun:
            intent = replace(row, state=StepState.UNDOING)
            await asyncio.to_thread(self.store.put_step, run.run_id, intent, self.clock.now())
        done = await perform(step, action, plan.arguments, context, self.sleep, may_have_happened=was_begun)
        return done.text

    def _takes_lease(self, row: StepRow) -> bool:
        action = self.registry.find(row.uses)
        return action is not None and action.takes_lease
