"""What people do in PagerDuty, carried out here: once for each event, and never against what still fires."""

from __future__ import annotations

import asyncio

from opsbot.clock import Clock
from opsbot.desk import Desk
from opsbot.errors import InvalidTransition
from opsbot.incident.timeline import TimelineEntry
from opsbot.store.inbound import InboundRepository
from opsbot.store.pages import PageRepository
from opsbot.web.inbound.pagerduty import NAME, PagerEvent


class PagerDesk:
    """Takes PagerDuty's events. An event is remembered after it was carried out: a repeat after a crash is harmless."""

    def __init__(self, desk: Desk, inbound: InboundRepository, pages: PageRepository, clock: Clock) -> None:
        self._desk = desk
        self._inbound = inbound
        self._pages = pages
        self._clock = clock

    async def take_pager_event(self, event: PagerEvent) -> str:
        """Carry it out once; answers what came of it.

        Raises: NotFoundError, InvalidTransition, StoreError.
        """
        if await asyncio.to_thread(self._inbound.is_taken, NAME, event.event_id):
            return "taken before"
        said = await self._carry_out(event)
        await asyncio.to_thread(self._inbound.take, NAME, event.event_id, self._clock.now())
        return said

    async def _carry_out(self, event: PagerEvent) -> str:
        match event.kind:
            case "incident.acknowledged":
                return await self._desk.acknowledge(event.incident_id, event.person)
            case "incident.resolved":
                return await self._resolve(event)
            case "incident.unacknowledged":
                text = "Nobody has it in PagerDuty any more: the acknowledgement has run out"
                return await self._note(event, text, is_broadcast=True)
            case "incident.escalated" | "incident.reassigned" | "incident.delegated":
                return await self._note(event, f"PagerDuty: {event.kind.removeprefix('incident.')}", is_broadcast=False)
            case _:
                return f"{event.kind} changes nothing here"

    async def _resolve(self, event: PagerEvent) -> str:
        view = await self._desk.incident(event.incident_id)
        if view.incident.is_resolved:
            return f"{event.incident_id} is resolved already"
        try:
            return await self._desk.resolve(event.incident_id, "resolved in PagerDuty", event.person)
        except InvalidTransition as refusal:
            # PagerDuty believes that it is over: page anew, so that both sides agree.
            await asyncio.to_thread(self._pages.forget_sent, event.incident_id)
            return await self._note(
                event, f"Resolved in PagerDuty, but not over: {refusal} It is paged again", is_broadcast=True
            )

    async def _note(self, event: PagerEvent, text: str, *, is_broadcast: bool) -> str:
        key = f"{event.incident_id}:{event.kind}:{event.event_id}"
        entry = TimelineEntry(
            key, event.incident_id, self._clock.now(), event.person.user_id, event.kind, text, is_broadcast, "PagerDuty"
        )
        await self._desk.note(entry)
        return text
