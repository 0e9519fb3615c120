"""What people answer to what runs ask, with their rights: approvals, also against their rules, and announcements."""

from __future__ import annotations

import asyncio

from opsbot.clock import to_minute
from opsbot.desk_tools import MAX_REASON, DeskTools, reason_of
from opsbot.incident.handle import handle_of
from opsbot.incident.timeline import TimelineEntry
from opsbot.people import Person
from opsbot.rights import require
from opsbot.runbook.store import AnnouncementRow


class ConsentDesk:
    """Part of `opsbot.run_desk.RunDesk`."""

    def __init__(self, tools: DeskTools) -> None:
        self._tools = tools

    async def decide(self, approval_id: str, *, is_granted: bool, person: Person) -> str:
        """Grant or refuse an approval."""
        approval = await asyncio.to_thread(self._tools.stores.approvals.find, approval_id)
        verb = "granted" if is_granted else "refused"
        require(person, approval.role, f"{'approve' if is_granted else 'refuse'} this step")
        now = self._tools.clock.now()
        note = TimelineEntry(
            f"{approval.approval_id}:{verb}:{person.user_id}", approval.incident_id, now, person.user_id,
            f"approval.{verb}", f"{verb.capitalize()}: {approval.will_do}", via=person.via,
        )  # fmt: skip
        decided = await asyncio.to_thread(
            self._tools.stores.approvals.decide,
            approval.approval_id,
            is_granted=is_granted,
            person=person,
            now=now,
            entry=note,
        )
        await self._tools.wake_run(decided.run_id)
        if not is_granted:
            return "You have refused it; nothing was changed."
        if decided.state == "open":
            given = len(decided.granted_by)
            return f"You have granted it; {decided.count - given} more must, of {approval.count}."
        return f"You have granted it: {approval.will_do}. Taken back: {approval.undo}."

    async def break_glass(self, approval_id: str, person: Person, reason: str) -> str:
        """Approve alone, whatever the approval asks for; everybody hears it, and it is reviewed."""
        require(person, "commander", "approve a step alone, against its rules")
        reason = reason_of(reason, "why the rules of this approval are broken")
        approval = await asyncio.to_thread(self._tools.stores.approvals.find, approval_id)
        now = self._tools.clock.now()
        key = f"{approval.approval_id}:glass"
        said = TimelineEntry(
            key, approval.incident_id, now, person.user_id, "approval.glass_broken",
            f"Broke the glass, approving alone: {approval.will_do}. Why: {reason}", True, person.via,
        )  # fmt: skip
        needed = f"{approval.count} of {' or '.join(approval.roles)}"
        review = TimelineEntry(
            f"{key}:review", approval.incident_id, now, "opsbot", "review.opened",
            f"To be reviewed: {person.user_id} approved alone what {needed} should have ({approval.approval_id}). "
            f"Reason given: {reason}",
        )  # fmt: skip
        decided = await asyncio.to_thread(
            self._tools.stores.approvals.decide, approval.approval_id, is_granted=True, person=person, now=now,
            entry=said, glass_reason=reason, more=(review,), is_paged=self._tools.stores.incidents.is_paging,
        )  # fmt: skip
        await self._tools.wake_run(decided.run_id)
        handle = handle_of(decided.run_id)
        return f"You have approved it alone, and everybody is told: {approval.will_do}. `undo {handle}` takes it back."

    async def object(self, announcement_id: str, person: Person, reason: str = "") -> str:
        """Object to what is announced."""
        require(person, "responder", "object to an announcement")
        row = await asyncio.to_thread(self._tools.stores.approvals.find_announcement, announcement_id)
        text = f"Objected: {reason.strip()[:MAX_REASON]}" if reason.strip() else "Objected"
        note = self._about(row, "objected", f"{text}. It is not done: {row.message}", person, is_broadcast=True)
        await asyncio.to_thread(
            self._tools.stores.approvals.answer_announcement, row.announcement_id, "objected", person,
            reason.strip()[:MAX_REASON] or None, self._tools.clock.now(), note,
        )  # fmt: skip
        await self._tools.wake_run(row.run_id)
        handle = handle_of(row.run_id)
        return f"It is not done. `retry {handle}` asks for it anew once the run is over."

    async def go_now(self, announcement_id: str, person: Person) -> str:
        """End an announcement's countdown at once."""
        require(person, "commander", "cut an announcement short")
        row = await asyncio.to_thread(self._tools.stores.approvals.find_announcement, announcement_id)
        note = self._about(row, "now", f"Said that it is done now: {row.message}", person, is_broadcast=True)
        await asyncio.to_thread(
            self._tools.stores.approvals.answer_announcement,
            row.announcement_id,
            "now",
            person,
            None,
            self._tools.clock.now(),
            note,
        )
        await self._tools.wake_run(row.run_id)
        return f"It is done now, without the rest of the countdown; `undo {handle_of(row.run_id)}` takes it back."

    async def offer_capacity(self, announcement_id: str, person: Person) -> str:
        """Offer capacity; the first offer doubles what is left of the countdown."""
        require(person, "responder", "offer capacity")
        row = await asyncio.to_thread(self._tools.stores.approvals.find_announcement, announcement_id)
        note = self._about(row, "capacity", f"Offered capacity, before this is done: {row.message}", person)
        now = self._tools.clock.now()
        after = await asyncio.to_thread(
            self._tools.stores.approvals.offer_capacity, row.announcement_id, person, now, note
        )
        await self._tools.wake_run(row.run_id)
        time = "" if after.ends_at is None else f", and there is time until {to_minute(after.ends_at, now)}"
        return f"Your offer is on the timeline{time}. If it is enough, object: then it is not done."

    def _about(
        self, row: AnnouncementRow, fact: str, text: str, person: Person, *, is_broadcast: bool = False
    ) -> TimelineEntry:
        key = f"{row.announcement_id}:{fact}:{person.user_id}"
        kind = f"announcement.{fact}"
        return TimelineEntry(
            key, row.incident_id, self._tools.clock.now(), person.user_id, kind, text, is_broadcast, person.via
        )
