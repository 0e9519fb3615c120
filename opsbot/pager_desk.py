"""What happens in PagerDuty, carried out here: once for each event, only by a person's word, never against what fires.

Our own events come back as webhooks too; those change nothing.
"""

from __future__ import annotations

import asyncio

from opsbot.clock import Clock
from opsbot.desk import Desk
from opsbot.errors import InvalidTransition
from opsbot.incident.incident import Incident, IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.pagerduty.event import PageEvent, lapsed
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
        incident = (await self._desk.incident(event.incident_id)).incident
        said = await self._carry_out(event, incident)
        await asyncio.to_thread(self._inbound.take, NAME, event.event_id, self._clock.now())
        return said

    async def _carry_out(self, event: PagerEvent, incident: Incident) -> str:
        if incident.is_resolved:
            return f"{event.incident_id} is resolved already"
        if incident.merged_into is not None:
            return f"{event.incident_id} is dealt with under {incident.merged_into}"
        match event.kind:
            case "incident.acknowledged":
                return await self._acknowledge(event, incident)
            case "incident.resolved":
                return await self._resolve(event, incident)
            case "incident.unacknowledged":
                return await self._lapse(event, incident)
            case "incident.escalated" | "incident.reassigned" | "incident.delegated":
                return await self._note(event, f"PagerDuty: {event.kind.removeprefix('incident.')}", is_broadcast=False)
            case _:
                return f"{event.kind} changes nothing here"

    async def _acknowledge(self, event: PagerEvent, incident: Incident) -> str:
        if event.is_by_person:
            # Known there already: sent again, it would only come back as another webhook.
            await asyncio.to_thread(self._pages.told, event.incident_id, str(PageEvent("acknowledge")))
            return await self._desk.acknowledge(event.incident_id, event.person)
        if incident.state is not IncidentState.OPEN:
            return "an acknowledgement of ours, or by no person: it changes nothing here"
        text = (
            f"Acknowledged in PagerDuty by {_name(event)}, which is no person: it wakes nobody any more, and nobody "
            "has this here"
        )
        return await self._note(event, text, is_broadcast=True)

    async def _lapse(self, event: PagerEvent, incident: Incident) -> str:
        await asyncio.to_thread(self._pages.told, event.incident_id, lapsed(incident.acknowledged_by))
        text = "Nobody has it in PagerDuty any more: the acknowledgement has run out, and it wakes people again"
        return await self._note(event, text, is_broadcast=True)

    async def _resolve(self, event: PagerEvent, incident: Incident) -> str:
        refusal = f"resolved by {_name(event)}, which is no person."
        if event.is_by_person:
            try:
                return await self._desk.resolve(event.incident_id, "resolved in PagerDuty", event.person)
            except InvalidTransition as error:
                refusal = str(error)
        # PagerDuty believes that it is over: whoever must be woken for it is, anew.
        await asyncio.to_thread(self._pages.forget_sent, event.incident_id)
        if incident.state is IncidentState.OPEN:
            then = "It is paged again"
        elif incident.acknowledged_by is not None:
            then = f"{incident.acknowledged_by} has it here, so nobody is paged again"
        else:
            then = "Nothing of it fires, so nobody is paged again"
        return await self._note(event, f"Resolved in PagerDuty, but not over: {refusal} {then}", is_broadcast=True)

    async def _note(self, event: PagerEvent, text: str, *, is_broadcast: bool) -> str:
        key = f"{event.incident_id}:{event.kind}:{event.event_id}"
        entry = TimelineEntry(
            key, event.incident_id, self._clock.now(), event.person.user_id, event.kind, text, is_broadcast, "PagerDuty"
        )
        await self._desk.note(entry)
        return text


def _name(event: PagerEvent) -> str:
    return event.person.user_id.removeprefix(f"{NAME}:")
