"""The gate before every change: the global stop, a pause, a person's hold, the knob's lock, and the runbook's limits.

It is passed after approval, so an unanswered approval blocks nobody. A run that waits too long makes no further step
and keeps what it has set: insufficient relief is still relief.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from opsbot.runbook import texts
from opsbot.runbook.case import Case, Cases
from opsbot.runbook.performing import Sleep
from opsbot.runbook.result import Next, StepResult, result
from opsbot.runbook.run import StepState
from opsbot.runbook.store import Blocker, Claim, StepRow
from opsbot.yamlfile import format_duration

LOCK_WAIT_S = 300.0
FRESH_S = 0.1
"""What was read so lately is not read again."""
LOOK_AGAIN_S = 600.0
"""A run that a person has stopped looks this often even if nothing wakes it."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets steps through, one at a time for each knob."""

    cases: Cases
    sleep: Sleep = asyncio.sleep
    poll_s: float = 1.0
    wait_s: float = LOCK_WAIT_S

    async def enter(self, case: Case, row: StepRow) -> StepResult | bool:
        """True when the row may act now; False when it may after a wait, in which what it read may have changed.

        Otherwise what follows.
        """
        if abs(self.cases.clock.now() - case.now) > FRESH_S:
            # The values before took long to read, and people act meanwhile.
            case = await self.cases.read(case.run.run_id, case.step.step_id)
        if case.is_interrupted or (case.row.skipped_by and case.row.state in (StepState.PENDING, StepState.READY)):
            return False
        stopped = await self.stopped(case)
        if stopped is not None:
            return stopped
        claim = self._claim(case, row)
        if not (claim.knobs or claim.most_clusters):
            return True
        has_waited = False
        until = self.cases.clock.now() + self.wait_s
        while True:
            blockers = await asyncio.to_thread(self.cases.store.claim, claim, self.cases.clock.now())
            if not blockers:
                return not has_waited
            has_waited = True
            await self._say(case, row, blockers)
            if self.cases.clock.now() >= until:
                return await self._give_up(case, blockers)
            await self.sleep(self.poll_s)
            case = await self.cases.read(case.run.run_id, case.step.step_id)
            if case.is_interrupted or case.is_late:
                return False
            stopped = await self.stopped(case)
            if stopped is not None:
                return stopped

    async def stopped(self, case: Case) -> StepResult | None:
        """What follows while people have stopped everything, or this run; None if they have not."""
        until = self.cases.clock.now() + LOOK_AGAIN_S
        if case.halt is not None and not (case.action().is_read_only or case.action().only_tells):
            text = f"Waits: {case.halt.created_by} has stopped all runs ({case.halt.reason})."
            said = texts.entry(
                case.run, f"halted:{case.halt.number}", "run.halted", text, self.cases.clock.now(),
                step_id=case.step.step_id,
            )  # fmt: skip
            await asyncio.to_thread(self.cases.store.add_entry, said)
            return result(Next.WAIT, until=until)
        return result(Next.WAIT, until=until) if case.run.paused_by else None

    def _claim(self, case: Case, row: StepRow) -> Claim:
        action = case.action()
        arguments = action.arguments.model_validate(row.arguments)
        cluster = action.cluster(arguments)
        knobs = (*action.locks(arguments), *(f"lock/{name}" for name in case.step.locks))
        clusters = () if cluster is None else (cluster,)
        return Claim(case.run, case.step.step_id, knobs, clusters, case.runbook.limits.most(len(case.clusters)))

    async def _say(self, case: Case, row: StepRow, blockers: tuple[Blocker, ...]) -> None:
        text = "Waits: " + "; ".join(one.text for one in blockers)
        said = texts.entry(
            case.run, f"blocked:{texts.short_digest(text)}", "step.blocked", text, self.cases.clock.now(),
            step_id=row.step_id,
        )  # fmt: skip
        await asyncio.to_thread(self.cases.store.add_entry, said)

    async def _give_up(self, case: Case, blockers: tuple[Blocker, ...]) -> StepResult:
        why = f"waited {format_duration(self.wait_s)}: " + "; ".join(one.text for one in blockers)
        said = texts.entry(
            case.run, "gave_way", "step.gave_way", f"Not done, {why}", self.cases.clock.now(),
            step_id=case.step.step_id, is_broadcast=True,
        )  # fmt: skip
        return await self.cases.end(case, StepState.SKIPPED, Next.STOPPED, why, entry=said)
