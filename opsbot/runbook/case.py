"""One step of one run at one moment: everything that is looked at to decide what comes next."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from opsbot.clock import Clock
from opsbot.expression import Variables
from opsbot.incident.incident import Incident
from opsbot.incident.timeline import TimelineEntry
from opsbot.runbook.action import Action, ActionRegistry
from opsbot.runbook.loader import pinned_runbook
from opsbot.runbook.model import Runbook, Step
from opsbot.runbook.result import Next, StepResult, result
from opsbot.runbook.run import Run, RunState, StepState
from opsbot.runbook.scope import Earlier, RunFacts, incident_of, values, variables
from opsbot.runbook.store import Change, Halt, RunStore, StepRow


def approval_id(run_id: str, step_id: str, num_asked: int = 0) -> str:
    """The id of a step's approval: short enough to say, and the same after a crash."""
    return "apr-" + _short(run_id, step_id, num_asked)


def announcement_id(run_id: str, step_id: str) -> str:
    """The id of a step's announcement, likewise."""
    return "ann-" + _short(run_id, step_id, 0)


def _short(run_id: str, step_id: str, number: int) -> str:
    text = f"{run_id}:{step_id}" + (f":{number}" if number else "")
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Case:
    """What is known of a step now.

    Args:
        rows: of all steps of the run and of their items.
        now: when this was read.
        clusters: every cluster that opsbot.yaml names.
    """

    run: Run
    runbook: Runbook
    step: Step
    row: StepRow
    rows: Mapping[str, StepRow]
    incident: Incident
    halt: Halt | None
    registry: ActionRegistry
    clusters: tuple[str, ...]
    now: float

    @property
    def is_interrupted(self) -> bool:
        """Whether the run has nothing more to do: it is taken back, or its incident is over."""
        is_over = self.incident.is_resolved and self.run.state is not RunState.FINISHING
        return self.run.state is RunState.UNDOING or is_over

    @property
    def is_late(self) -> bool:
        """Whether the run's time is over, so that no further step begins."""
        deadline = self.run.deadline
        is_over = deadline is not None and self.now >= deadline
        return is_over and self.run.state is not RunState.FINISHING and not self.run.paused_by

    @property
    def items(self) -> tuple[StepRow, ...]:
        """The rows of the step's items, in order; empty for a step without `foreach`."""
        count = len(self.row.item) if isinstance(self.row.item, list) else 0
        return tuple(self.rows[f"{self.step.step_id}[{index}]"] for index in range(count))

    @cached_property
    def names(self) -> Variables:
        """What the step's expressions may name."""
        return variables(self.runbook, self.step, self.registry)

    @cached_property
    def known(self) -> dict[str, object]:
        """The values of those names, without `item`."""
        facts = RunFacts(self.run.run_id, self.run.requester, self.run.is_drill, self.run.inputs, self.clusters)
        results = {
            row.step_id: Earlier(row.state.value, row.outputs or {})
            for row in self.rows.values()
            if row.state is not StepState.PENDING
        }
        return values(self.runbook, self.step, self.incident, facts, results, self.registry)

    def known_of(self, row: StepRow) -> dict[str, object]:
        """The same with the row's `item`, if it is an item's."""
        return {**self.known, "item": row.item} if self.step.foreach is not None else self.known

    def action(self) -> Action[Any]:
        """The step's action; raises ActionError if there is none (any more)."""
        return self.registry.get(self.row.uses)


@dataclass(frozen=True, slots=True)
class Cases:
    """Reads cases and writes what became of them."""

    store: RunStore
    registry: ActionRegistry
    clock: Clock
    clusters: tuple[str, ...] = ()

    async def read(self, run_id: str, step_id: str) -> Case:
        """The step now."""
        found = await asyncio.to_thread(self.store.case, run_id)
        runbook = pinned_runbook(found.run.runbook_json, found.run.revision)
        rows = {row.step_id: row for row in found.rows}
        return Case(
            found.run,
            runbook,
            runbook.step(step_id),
            rows[step_id],
            rows,
            incident_of(found.run, found.incident),
            found.halt,
            self.registry,
            self.clusters,
            self.clock.now(),
        )

    async def put(self, case: Case, *rows: StepRow, entry: TimelineEntry | None = None, frees: bool = False) -> None:
        """Write rows, and an entry with them."""
        entries = () if entry is None else (entry,)
        await self.commit(Change(case.run.run_id, self.clock.now(), rows, entries=entries, frees_locks=frees))

    async def commit(self, change: Change) -> None:
        """Write a change."""
        await asyncio.to_thread(self.store.commit, change)

    async def end(
        self,
        case: Case,
        state: StepState,
        following: Next,
        detail: str,
        *,
        row: StepRow | None = None,
        entry: TimelineEntry | None = None,
        prefix: str = "",
        is_paged: bool = False,
    ) -> StepResult:
        """End the step in *state*; what follows is stored with it, so that it is the same after a crash."""
        ended = replace(row or case.row, state=state, following=following.value, detail=detail, until=None)
        # Nobody is waited for any more, whatever comes next.
        goes_on = following is Next.GO_ON and case.run.state is RunState.WAITING
        await self.commit(
            Change(
                case.run.run_id,
                self.clock.now(),
                (ended,),
                state=RunState.RUNNING if goes_on else None,
                detail=case.step.name if goes_on else None,
                entries=() if entry is None else (entry,),
                frees_locks=True,
                is_paged=is_paged,
            )
        )
        return result(following, f"{prefix}{detail}" if following is not Next.GO_ON or prefix else "")
