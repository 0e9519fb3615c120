"""Renews the leases of runs under way, outside the durable workflow: all it needs stands in the store.

A crash therefore loses no renewal: after a restart the first round renews everything at once. A lease that expired
meanwhile is taken again, since the approval was for as long as the incident is open; one that somebody released is
left alone.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Any

from opsbot.clock import Clock
from opsbot.errors import OpsbotError
from opsbot.incident.timeline import TimelineEntry
from opsbot.runbook import texts
from opsbot.runbook.action import Action, ActionContext, ActionRegistry, LeaseEnded, Outcome
from opsbot.runbook.held import RunLocks, attempt_of, is_live, key_of
from opsbot.runbook.loader import pinned_runbook
from opsbot.runbook.model import Step
from opsbot.runbook.performing import no_answer
from opsbot.runbook.run import Run, RunState, StepState
from opsbot.runbook.store import RunStore, StepRow

logger = logging.getLogger(__name__)

RENEWED_IN = frozenset({RunState.RUNNING, RunState.WAITING, RunState.HOLDING})
"""In all other states the leases are being given back, or a person must decide."""
HELD_IN = frozenset({StepState.VERIFYING, StepState.SUCCEEDED, StepState.NOT_VERIFIED})
MAX_GRANTS = 5
"""A lease that is lost this often is not lost by our absence; a person must look."""


@dataclass(slots=True)
class _Renewal:
    due_at: float
    renewed_at: float


class LeaseKeeper:
    """Keeps what runs hold alive while their incidents are open."""

    def __init__(self, store: RunStore, registry: ActionRegistry, clock: Clock, locks: RunLocks) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._locks = locks
        self._renewals: dict[str, dict[str, _Renewal]] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def round(self, runs: tuple[Run, ...]) -> None:
        """Begin to renew what is due; called every second with the unfinished runs."""
        kept = [run for run in runs if run.state in RENEWED_IN]
        ids = {run.run_id for run in kept}
        self._renewals = {run_id: one for run_id, one in self._renewals.items() if run_id in ids}
        for run in kept:
            # Not waited for: a server that does not answer must not cost the other runs their leases.
            if run.run_id not in self._under_way:
                self._under_way[run.run_id] = asyncio.create_task(self._round(run), name=f"renew {run.run_id}")

    async def stop(self) -> None:
        """Give up the renewals under way."""
        tasks = tuple(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _round(self, run: Run) -> None:
        try:
            for row in await asyncio.to_thread(self._store.steps, run.run_id):
                if not self._is_kept(row):
                    continue
                assert row.idempotency_key is not None
                renewal = self._renewals.get(run.run_id, {}).get(row.idempotency_key)
                if renewal is None or renewal.due_at <= self._clock.monotonic():
                    async with self._locks.of(run.run_id):
                        await self._keep(run.run_id, row.step_id)
        except Exception:
            # Whatever it was: the next round tries again.
            logger.exception("leases of %s were not renewed", run.run_id)
        finally:
            del self._under_way[run.run_id]

    def _is_kept(self, row: StepRow) -> bool:
        action = self._registry.find(row.uses)
        return is_live(row) and row.state in HELD_IN and action is not None and action.takes_lease

    async def _keep(self, run_id: str, step_id: str) -> None:
        # Read again under the lock: it may have been released while we waited.
        run = await asyncio.to_thread(self._store.run, run_id)
        row = next(one for one in await asyncio.to_thread(self._store.steps, run_id) if one.step_id == step_id)
        if run.state not in RENEWED_IN or not self._is_kept(row):
            return
        step = pinned_runbook(run.runbook_json, run.revision).step(step_id)
        assert step.lease_s is not None
        assert row.idempotency_key is not None
        action = self._registry.get(row.uses)
        renewals = self._renewals.setdefault(run_id, {})
        renewal = renewals.setdefault(row.idempotency_key, _Renewal(0.0, self._clock.monotonic()))
        if row.lease_id is None and await asyncio.to_thread(self._store.halt) is not None:
            # What is held goes on under the global stop; what was lost is not set again before it is lifted.
            return
        try:
            # So short that the next try comes in time.
            async with asyncio.timeout(min(step.timeout_s, step.lease_s / 3)):
                if row.lease_id is None:
                    outcome = await self._take(run, step, row, action)
                else:
                    outcome = None
                    await action.renew(action.arguments.model_validate(row.arguments), row.lease_id, step.lease_s)
        except LeaseEnded as error:
            await self._ended(run, step, row, error)
        except TimeoutError:
            await self._failing(run, step, row, renewal, no_answer(action, step))
        except OpsbotError as error:
            await self._failing(run, step, row, renewal, error)
        else:
            if outcome is not None:
                said = self._say(run, row, "again", "step.acted", f"Set again: {outcome.text}")
                await self._put(run, replace(row, lease_id=outcome.lease_id), said)
            now = self._clock.monotonic()
            renewals[row.idempotency_key] = _Renewal(now + step.lease_s / 3, now)

    async def _take(self, run: Run, step: Step, row: StepRow, action: Action[Any]) -> Outcome:
        assert row.idempotency_key is not None
        incident = await asyncio.to_thread(self._store.incident, run.incident_id)
        context = ActionContext(
            run.run_id,
            row.idempotency_key,
            f"{incident.incident_id}: {row.name}",
            step.lease_s,
            incident.incident_id,
            run.is_drill,
        )
        return await action.act(action.arguments.model_validate(row.arguments), context)

    async def _ended(self, run: Run, step: Step, row: StepRow, error: LeaseEnded) -> None:
        if error.was_released:
            text = f"{row.name}: somebody released the setting on the server; opsbot leaves it so."
            await self._put(
                run, replace(row, lease_released=True), self._say(run, row, "taken", "lease.released", text)
            )
            return
        attempt = attempt_of(row) + 1
        if attempt > MAX_GRANTS:
            text = f"{row.name}: the server lost the setting {MAX_GRANTS} times; a person must look."
            await self._put(run, replace(row, lease_released=True), self._say(run, row, "lost", "lease.lost", text))
            return
        text = f"{row.name}: the setting ended before it was renewed; it is set again, as the incident is still open."
        again = replace(row, lease_id=None, idempotency_key=key_of(run.run_id, row.step_id, attempt))
        await self._put(run, again, self._say(run, row, "expired", "lease.expired", text))

    async def _failing(self, run: Run, step: Step, row: StepRow, renewal: _Renewal, error: OpsbotError) -> None:
        assert step.lease_s is not None
        logger.warning("lease of %s, step %s, was not renewed: %s", run.run_id, row.step_id, error)
        if self._clock.monotonic() - renewal.renewed_at > step.lease_s / 2:
            text = f"{row.name}: cannot be renewed ({error}). The setting may have ended by itself."
            said = self._say(run, row, "unrenewed", "lease.unrenewed", text)
            await asyncio.to_thread(self._store.add_entry, said)

    def _say(self, run: Run, row: StepRow, fact: str, kind: str, text: str) -> TimelineEntry:
        return texts.entry(run, f"{fact}:{attempt_of(row)}", kind, text, self._clock.now(), step_id=row.step_id)

    async def _put(self, run: Run, row: StepRow, said: TimelineEntry) -> None:
        await asyncio.to_thread(self._store.put_step, run.run_id, row, self._clock.now(), entry=said)
