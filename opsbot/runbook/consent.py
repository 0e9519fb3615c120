"""Waits for people: an approval's decision, or an announcement's countdown.

Looking comes before waiting: whatever is decided after the look wakes the run.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from opsbot.clock import to_minute
from opsbot.runbook import texts
from opsbot.runbook.case import Case, Cases, announcement_id, approval_id
from opsbot.runbook.gate import LOOK_AGAIN_S
from opsbot.runbook.performing import Sleep
from opsbot.runbook.preparing import Preparing
from opsbot.runbook.result import Next, StepResult, result
from opsbot.runbook.run import RunState, StepState
from opsbot.runbook.store import AnnouncementRow, Change

PAGE_AFTER_S = 30.0
"""How long Slack may take to deliver an announcement before somebody is paged with it."""


@dataclass(frozen=True, slots=True)
class Consent:
    """Looks whether people have decided."""

    cases: Cases
    preparing: Preparing
    sleep: Sleep = asyncio.sleep
    poll_s: float = 1.0

    async def approval(self, case: Case) -> StepResult | None:
        """What follows the approval; None when the step may go on."""
        store, now = self.cases.store, self.cases.clock.now()
        approval = await asyncio.to_thread(store.approval, self._approval_id(case))
        if approval.state == "open" and case.run.paused_by:
            # While the run is paused its questions stand still.
            return result(Next.WAIT, until=now + LOOK_AGAIN_S)
        if approval.state == "open" and now < approval.expires_at:
            return result(Next.WAIT, until=approval.expires_at)
        if approval.state == "open":
            proceeds = approval.on_timeout == "proceed"
            text = "Nobody decided in time: it is done, as the runbook says."
            said = texts.entry(
                case.run, f"expired:{case.row.num_asked}", "approval.expired",
                text if proceeds else "Nobody approved in time: nothing was changed.", now,
                step_id=case.step.step_id, is_broadcast=True,
            )  # fmt: skip
            approval = await asyncio.to_thread(store.close_approval, approval.approval_id, now, entry=said)
        is_granted = approval.state == "granted" or (approval.state == "expired" and approval.on_timeout == "proceed")
        if is_granted and approval.digest != case.row.arguments_digest:
            return await self.preparing.fail(case, "the approval is not for what would be done now", is_final=True)
        if is_granted:
            return await self._granted(case)
        detail = "nobody approved in time" if approval.state == "expired" else f"refused by {approval.decided_by}"
        return await self.cases.end(case, StepState.SKIPPED, Next.REFUSED, detail)

    async def _granted(self, case: Case) -> StepResult | None:
        if case.step.announce is not None:
            return await self.preparing.announce(case, case.row)
        row = replace(case.row, state=StepState.READY)
        await self.cases.commit(
            Change(case.run.run_id, self.cases.clock.now(), (row,), state=RunState.RUNNING, detail=case.step.name)
        )
        return None

    async def announcement(self, case: Case) -> StepResult | None:
        """What follows the announcement; None when the step may go on."""
        now = self.cases.clock.now()
        row = await asyncio.to_thread(
            self.cases.store.announcement, announcement_id(case.run.run_id, case.step.step_id)
        )
        if row.state == "open" and row.ends_at is None:
            return await self._deliver(case, row)
        if row.state == "open" and case.run.paused_by:
            return result(Next.WAIT, until=now + LOOK_AGAIN_S)
        if row.state == "open" and row.ends_at is not None and now < row.ends_at:
            return result(Next.WAIT, until=row.ends_at)
        if row.state == "open":
            said = texts.entry(
                case.run, "unopposed", "step.unopposed", "Nobody objected.", now, step_id=case.step.step_id
            )
            row = await asyncio.to_thread(
                self.cases.store.put_announcement, row, replace(row, state="passed"), entry=said
            )
        if row.state == "open":
            # Somebody bought time at the last moment.
            return None
        if row.state == "objected":
            detail = f"{row.decided_by} objected" + (f": {row.reason}" if row.reason else "")
            is_left_out = case.step.announce is not None and case.step.announce.on_objection == "skip"
            following = Next.GO_ON if is_left_out else Next.STOPPED
            return await self.cases.end(case, StepState.SKIPPED, following, detail)
        ready = replace(case.row, state=StepState.READY)
        await self.cases.commit(Change(case.run.run_id, now, (ready,), state=RunState.RUNNING, detail=case.step.name))
        return None

    async def _deliver(self, case: Case, row: AnnouncementRow) -> StepResult | None:
        """Begin the countdown once somebody can read the message; page where Slack does not take it."""
        store, clock = self.cases.store, self.cases.clock
        entry = texts.entry(
            case.run, "announced", "step.announced", row.message, row.requested_at, step_id=case.step.step_id
        )
        where = await asyncio.to_thread(store.delivery, entry.key)
        now = clock.now()
        if where is not None:
            # An offer that came before the message could be read doubles the countdown likewise.
            ends_at = now + row.countdown_s * (2 if row.offers else 1)
            text = f"The countdown has begun: it is done at {to_minute(ends_at, now)} unless somebody objects."
            if where == "page":
                text = f"Slack did not take the announcement; it was paged. {text}"
            said = texts.entry(case.run, "countdown", "step.countdown", text, now, step_id=case.step.step_id)
            begun = replace(row, delivered_at=now, delivered_by=where, ends_at=ends_at)
            await asyncio.to_thread(store.put_announcement, row, begun, entry=said)
            return None
        if row.paged_at is None and now - row.requested_at >= PAGE_AFTER_S:
            await asyncio.to_thread(store.page_entry, entry)
            await asyncio.to_thread(store.put_announcement, row, replace(row, paged_at=now))
        await self.sleep(self.poll_s)
        return None

    async def withdraw(self, case: Case) -> None:
        """Ask nobody any more: the run has nothing to do."""
        store, now = self.cases.store, self.cases.clock.now()
        if case.row.state is StepState.WAITING_APPROVAL:
            await asyncio.to_thread(store.close_approval, self._approval_id(case), now)
        elif case.row.state is StepState.ANNOUNCING:
            row = await asyncio.to_thread(store.announcement, announcement_id(case.run.run_id, case.step.step_id))
            await asyncio.to_thread(store.put_announcement, row, replace(row, state="pointless"))

    def _approval_id(self, case: Case) -> str:
        return approval_id(case.run.run_id, case.step.step_id, case.row.num_asked)
