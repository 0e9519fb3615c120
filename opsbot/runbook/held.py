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
from opsbot.errors import OpsbotError
from opsbot.runbook import texts
from opsbot.runbook.action import Action, ActionContext, ActionRegistry
from opsbot.runbook.loader import pinned_runbook
from opsbot.runbook.model import Runbook, Step
from opsbot.runbook.plan import plan_arguments
from opsbot.runbook.run import Run, StepState
from opsbot.runbook.scope import Earlier, RunFacts, incident_of, result_variables, values, variables
from opsbot.runbook.store import Change, RunStore, StepRow

How = Literal["released", "undone"]


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
                    await self._end_one(run, row, how)
                except OpsbotError as error:
                    problems.append(f"{row.name}: {error}")
                    await asyncio.to_thread(
                        self.store.put_step, run.run_id, replace(row, detail=str(error)), self.clock.now()
                    )
        return tuple(problems)

    async def _end_one(self, run: Run, row: StepRow, how: How) -> None:
        runbook = pinned_runbook(run.runbook_json, run.revision)
        step = runbook.step(row.step_id)
        action = self.registry.get(row.uses)
        arguments = action.arguments.model_validate(row.arguments)
        text = ""
        if action.takes_lease:
            lease_id = row.lease_id
            if lease_id is None and row.idempotency_key is not None:
                # Its answer was lost: the key tells whether it happened.
                found = await action.find(arguments, row.idempotency_key)
                lease_id = found.lease_id if found else None
            if lease_id is not None:
                text = await action.release(arguments, lease_id)
        elif how == "undone" and step.undo is not None:
            text = await self._undo_action(run, runbook, step, row)
        elif how == "undone":
            text = f"{row.name}: there is no undo, it stays as it is"
        await self._record(run, row, how, text)

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
        key = f"{row.idempotency_key}:undo"
        # It may have been done before a crash; what cannot be looked up is done again under the same key.
        found = await action.find(plan.arguments, key) if action.can_be_found else None
        if found is not None:
            return found.text
        context = ActionContext(run.run_id, key, f"undo of {row.name}", None, run.incident_id, run.is_drill)
        return (await action.act(plan.arguments, context)).text

    def _takes_lease(self, row: StepRow) -> bool:
        action = self.registry.find(row.uses)
        return action is not None and action.takes_lease
