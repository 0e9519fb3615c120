"""Accepts batches of request events over HTTP and keeps a day of them.

One bad event never drops the batch; an event that is sent again is kept once; success means it is on disk. What is kept
holds counts, ids, hashes and scores, never text.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic import ValidationError
from sqlalchemy import (
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    delete,
    event,
    select,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from opsbot.clock import Clock
from opsbot.events.event import Counts, Event, SignupEvent, read_event
from opsbot.process_metrics import ProcessMetrics
from opsbot.readiness import Readiness, WriteProbe
from opsbot.store.probe import write_nothing
from opsbot.web.health import health_routes
from opsbot.web.tokens import Tokens

KEPT_S = 24 * 3600.0
SWEEP_EVERY_S = 600.0
MAX_BODY_BYTES = 8 << 20

metadata = MetaData()
request_event = Table(
    "request_event",
    metadata,
    Column("event_id", String(128), primary_key=True),
    Column("at", Float, nullable=False),
    Column("tenant", String(128), nullable=False),
    Column("key_id", String(128), nullable=False),
    Column("model", String(128), nullable=False),
    Column("endpoint", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("ttft_s", Float),
    Column("duration_s", Float, nullable=False),
    Column("finish_reason", String(16)),
    Index("ix_request_event_at", "at"),
)
whole_event = Table(
    "whole_event",
    metadata,
    Column("event_id", String(128), primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("fields", Text, nullable=False),
    Index("ix_whole_event_at", "at"),
)
"""Events that came with all their fields, as JSON; a request is in `request_event`, too."""


class EventsRole:
    """The event door and its store."""

    def __init__(self, database_path: Path, tokens: Tokens, clock: Clock) -> None:
        database_path.parent.mkdir(parents=True, exist_ok=True)
        self._engine = create_engine(f"sqlite:///{database_path}")
        event.listen(self._engine, "connect", _set_pragmas)
        metadata.create_all(self._engine)
        self._tokens = tokens
        self._clock = clock
        self._registry = CollectorRegistry()
        self._accepted = Counter("opsbot_events_accepted_total", "Request events stored.", registry=self._registry)
        self._rejected = Counter("opsbot_events_rejected_total", "Malformed request events.", registry=self._registry)
        self._storing = Histogram(
            "opsbot_events_store_duration_seconds", "How long storing a batch took.", registry=self._registry
        )
        self._stored_at = Gauge(
            "opsbot_events_last_stored_timestamp_seconds",
            "When a batch was stored last; 0 before the first.",
            registry=self._registry,
        )
        self.process = ProcessMetrics("events", self._registry)
        self._probe = WriteProbe(lambda: write_nothing(self._engine), "the event store")
        self.app = Starlette(
            routes=[
                Route("/events", self.accept, methods=["POST"]),
                *health_routes("events", self.readiness),
                Route("/metrics", self.exposition),
            ]
        )

    async def run(self) -> None:
        """Forget old events, until cancelled."""
        while True:
            await asyncio.to_thread(self.sweep)
            await asyncio.sleep(SWEEP_EVERY_S)

    def sweep(self) -> int:
        """Forget events older than a day; answers how many."""
        with self._engine.begin() as connection:
            oldest = self._clock.now() - KEPT_S
            return sum(
                connection.execute(delete(table).where(table.c.at < oldest)).rowcount
                for table in (request_event, whole_event)
            )

    def count(self) -> int:
        """How many requests are kept."""
        with self._engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM request_event")).scalar_one())

    def whole_events(self, kind: str) -> list[dict[str, Any]]:
        """Those kept with all their fields, the oldest first."""
        wanted = select(whole_event.c.fields).where(whole_event.c.kind == kind).order_by(whole_event.c.at)
        with self._engine.connect() as connection:
            return [json.loads(fields) for (fields,) in connection.execute(wanted)]

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    async def accept(self, request: Request) -> Response:
        """Take a batch: `{"events": [...]}`."""
        if not self._tokens.is_machine(request):
            return _error(401, "the event door needs `Authorization: Bearer` with the API token")
        body = await request.body()
        if len(body) > MAX_BODY_BYTES:
            return _error(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
        try:
            raw = json.loads(body)["events"]
        except (ValueError, KeyError, TypeError):
            raw = None
        if not isinstance(raw, list):
            return _error(400, 'the body must be {"events": [...]}')
        events: list[Event] = []
        rejected: list[str] = []
        for index, item in enumerate(raw):
            try:
                events.append(read_event(item))
            except ValidationError as error:
                first: Any = error.errors()[0]
                place = [str(part) for part in first["loc"] if part not in ("request", "signup")]
                rejected.append(f"events[{index}].{'.'.join(place)}: {first['msg']}")
        try:
            with self._storing.time():
                await asyncio.to_thread(self._store, events)
        except SQLAlchemyError:
            return _error(503, "the events were not stored; send them again")
        self._stored_at.set(self._clock.now())
        self._accepted.inc(len(events))
        self._rejected.inc(len(rejected))
        return JSONResponse({"accepted": len(events), "rejected": rejected})

    async def readiness(self) -> Readiness:
        """Whether events can be stored."""
        problem = await self._probe.problem()
        return Readiness((problem,) if problem is not None else ())

    async def exposition(self, request: Request) -> Response:
        """The role's own metrics."""
        self.process.note_ready((await self.readiness()).is_ready)
        return PlainTextResponse(generate_latest(self._registry).decode(), media_type="text/plain; version=0.0.4")

    def _store(self, events: list[Event]) -> None:
        counts = [
            one if isinstance(one, Counts) else one.counts() for one in events if not isinstance(one, SignupEvent)
        ]
        whole = [one for one in events if not isinstance(one, Counts)]
        rows = {
            request_event: [one.model_dump() for one in counts],
            whole_event: [
                {"event_id": one.event_id, "at": one.ts, "kind": one.kind, "fields": one.model_dump_json()}
                for one in whole
            ],
        }
        with self._engine.begin() as connection:
            for table, values in rows.items():
                if values:
                    connection.execute(table.insert().prefix_with("OR IGNORE"), values)


def _set_pragmas(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": {"type": "bad_request", "message": message}}, status_code=status)
