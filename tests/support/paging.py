"""Core's paging without its process: a store, PagerDuty's own client, and the door for what comes back."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select, update

from opsbot.alert.policy import AlertPolicy
from opsbot.desk import Desk
from opsbot.notify.outbox import PAGE_KINDS, OutboxItem
from opsbot.pager_desk import PagerDesk
from opsbot.pagerduty.settings import PagerDutySection
from opsbot.pagerduty.wiring import Paging, PagingStore
from opsbot.people import Person
from opsbot.store.inbound import InboundRepository
from opsbot.store.outbox import OutboxRepository
from opsbot.store.pages import PageRepository
from opsbot.store.repositories import Repositories
from opsbot.store.schema import outbox
from opsbot.telemetry import CoreMetrics
from opsbot.web.app import CoreApi
from opsbot.web.inbound.pagerduty import PagerDutyDoor
from opsbot.web.inbound.signature import SignatureKeys
from opsbot.web.tokens import Tokens
from tests.support.alerts import open_database
from tests.support.no_runs import NoRuns
from tests.support.outbox import ManualClock

ANN = Person("U0ANN", frozenset({"responder"}), "Slack")
BOB = {"id": "PLH1HKV", "summary": "Bob Page", "type": "user_reference"}
INTEGRATION = {"id": "PINT001", "summary": "opsbot", "type": "inbound_integration_reference"}
"""Who did it, where it was our own event."""


class World:
    """Core's paging without its process: a worker to turn by hand, and the door for what comes back."""

    def __init__(self, folder: Path, url: str, routing_key: str, ca_file: Path) -> None:
        self.clock = ManualClock()
        self.is_slack_there = True
        self.database = open_database(folder)
        policy = AlertPolicy(is_paging=True)
        stores = Repositories.over(self.database, policy)
        self.stores = stores
        self.metrics = CoreMetrics()
        self._place = (url, routing_key, ca_file)
        self.paging = self._paging()
        self.desk = Desk(stores, NoRuns(), policy, lambda alert: [], lambda: None, self.clock)
        pager_desk = PagerDesk(self.desk, InboundRepository(self.database), PageRepository(self.database), self.clock)
        door = PagerDutyDoor(SignatureKeys.of(["new", "old"]), "core-1", pager_desk, self.metrics)
        api = CoreApi(
            self.desk, Tokens.of("machine", {}), lambda user: Person(user), self.metrics, lambda: None, lambda: {},
            pagerduty=door,
        )  # fmt: skip
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://core")

    def _paging(self) -> Paging:
        url, routing_key, ca_file = self._place
        section = PagerDutySection(routing_key_env="KEY", url=url, ca_file=ca_file)
        incidents = self.stores.incidents
        store = PagingStore(
            OutboxRepository(self.database, PAGE_KINDS), PageRepository(self.database),
            incidents.incident, incidents.add_entry, incidents.entry,
        )  # fmt: skip
        return Paging(section, {"KEY": routing_key}, "core-1", store, self.metrics.pages.count, self.clock)

    def pages(self) -> Sequence[OutboxItem]:
        """What the outbox holds for PagerDuty, in whatever state."""
        with self.database.read() as connection:
            keys = connection.execute(select(outbox.c.key).where(outbox.c.kind == "page")).scalars().all()
        found = [self.stores.outbox.item(key) for key in keys]
        return [item for item in found if item is not None]

    def break_page(self, incident_id: str) -> None:
        """Make a page that names something that is not there."""
        with self.database.write() as connection:
            connection.execute(update(outbox).where(outbox.c.key == f"page:{incident_id}").values(ref="INC-404"))

    async def start_anew(self) -> None:
        """Nothing is left but what is stored."""
        await self.paging.stop()
        self.paging = self._paging()

    async def close(self) -> None:
        """Close connections and files."""
        await self.http.aclose()
        await self.paging.stop()
        self.database.close()

    async def turn(self, seconds: float = 0.0) -> None:
        """Time passes, Slack takes what it is told, and pages are delivered."""
        self.clock.advance(seconds)
        if self.is_slack_there:
            for item in self.stores.outbox.due(self.clock.now(), 1000):
                self.stores.outbox.mark_delivered(item.key, item.revision, "C1", "1.0")
        await self.paging.worker.round()
        await asyncio.to_thread(self.paging.watch.look)

    async def said(self, incident_id: str = "INC-1") -> list[str]:
        """The incident's timeline."""
        return [entry.text for entry in (await self.desk.incident(incident_id)).timeline]

    async def hook(
        self,
        kind: str,
        *,
        event_id: str = "E1",
        key: str = "opsbot:core-1:INC-1",
        signed_by: str = "new",
        agent: Mapping[str, str] | None = BOB,
    ) -> httpx.Response:
        """A webhook as PagerDuty sends it; *agent* is who did it, None where PagerDuty did so by itself."""
        event: Mapping[str, Any] = {
            "id": event_id,
            "event_type": kind,
            "resource_type": "incident",
            "occurred_at": "2026-09-21T04:09:00Z",
            "agent": agent,
            "data": {"id": "PGR0VU2", "type": "incident", "incident_key": key, "status": "acknowledged"},
        }
        body = json.dumps({"event": event}).encode()
        signature = hmac.new(signed_by.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-PagerDuty-Signature": f"v1={'0' * 64},v1={signature}", "Content-Type": "application/json"}
        return await self.http.post("/webhooks/pagerduty", content=body, headers=headers)
