"""Starts queued runs, as far as cooldown, number and concurrency allow; says why where they do not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from opsbot.clock import Clock
from opsbot.errors import OpsbotError
from opsbot.expression import compile_value, render_value
from opsbot.incident.timeline import TimelineEntry
from opsbot.runbook import texts
from opsbot.runbook.action import ActionRegistry
from opsbot.runbook.admission import Admission, Earlier, admit
from opsbot.runbook.loader import pinned_runbook
from opsbot.runbook.model import Runbook
from opsbot.runbook.run import RUN_TRANSITIONS, Run, RunState
from opsbot.runbook.scope import RunFacts, incident_of, values, variables
from opsbot.runbook.store import Change, RunStore

logger = logging.getLogger(__name__)

MAX_GROUP = 256


@dataclass(frozen=True, slots=True)
class Starting:
    """Looks at queued runs."""

    store: RunStore
    registry: ActionRegistry
    clock: Clock
    clusters: tuple[str, ...]
    begin: Callable[[Run], Awaitable[None]]

    async def look(self) -> None:
        """Start, hold back or refuse each queued run. Harmless when repeated."""
        for run in await asyncio.to_thread(self.store.queued):
            try:
                await self._one(run)
            except OpsbotError as error:
                logger.error("run %s is not started: %s", run.run_id, error)
                if not error.retryable:
                    await self._refused(run, str(error))
            except Exception:
                # A mistake of ours about one run must not keep the others waiting; it is looked at again.
                logger.exception("run %s is not started", run.run_id)

    async def _one(self, run: Run) -> None:
        runbook = pinned_runbook(run.runbook_json, run.revision)
        if run.admitted_at is None:
            incident = await asyncio.to_thread(self.store.incident, run.incident_id)
            if incident.is_resolved:
                await self._refused(run, "its incident ended before it could start")
                return
            group = await asyncio.to_thread(self._group, run, runbook)

            def decide(earlier: Sequence[Earlier]) -> Admission:
                return admit(runbook, run, group, earlier, self.clock.now())

            def say(admission: Admission) -> TimelineEntry | None:
                return None if admission.verdict == "start" else self._held_back(run, runbook, admission)

            admission = await asyncio.to_thread(self.store.admit, run.run_id, group, decide, say, self.clock.now())
            await asyncio.to_thread(self._replace, run, admission)
            if admission.verdict != "start":
                return
        await self.begin(run)

    def _group(self, run: Run, runbook: Runbook) -> str:
        written = runbook.concurrency.group
        if written is None:
            return f"{runbook.runbook_id}:{run.cluster}"[:MAX_GROUP]
        incident = incident_of(run, self.store.incident(run.incident_id))
        facts = RunFacts(run.run_id, run.requester, run.is_drill, run.inputs, self.clusters)
        compiled, mistakes = compile_value(written, variables(runbook, None, self.registry))
        if mistakes:
            raise mistakes[0][1]
        return str(render_value(compiled, values(runbook, None, incident, facts, {}, self.registry)))[:MAX_GROUP]

    def _held_back(self, run: Run, runbook: Runbook, admission: Admission) -> TimelineEntry:
        now = self.clock.now()
        is_over = admission.verdict in ("skip", "person")
        kind = "run.refused" if is_over else "run.held_back"
        text = f"Runbook “{runbook.name}” {'is not started' if is_over else 'waits'}: {admission.reason}"
        # What is left of a cooldown changes with each look; it is said once.
        fact = f"{kind}:{admission.verdict}" if "cooldown" in admission.reason else f"{kind}:{texts.short_digest(text)}"
        return texts.entry(run, fact, kind, text, now, is_broadcast=admission.verdict == "person")

    def _replace(self, run: Run, admission: Admission) -> None:
        """Tell the runs that give way to undo what they set; after a crash *run* is still queued and seen again."""
        now = self.clock.now()
        for run_id in admission.replaced:
            other = self.store.run(run_id)
            if RunState.UNDOING in RUN_TRANSITIONS[other.state]:
                why = f"replaced by {run.run_id}"
                entry = TimelineEntry(f"{run_id}:replaced", other.incident_id, now, texts.ACTOR, "run.replaced", why)
                self.store.move_run(run_id, RunState.UNDOING, why, now, entry=entry)

    async def _refused(self, run: Run, why: str) -> None:
        now = self.clock.now()
        said = texts.entry(run, "refused", "run.refused", f"Not started: {why}", now)
        change = Change(
            run.run_id, now, state=RunState.CANCELLED, detail=why, entries=(said,), expected=RunState.QUEUED
        )
        await asyncio.to_thread(self.store.commit, change)
