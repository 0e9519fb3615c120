"""The outbox's durable side: implements `opsbot.notify.outbox.OutboxStore`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Case, Row, and_, case, or_, select, update

from opsbot.alert.alert import SEVERITIES
from opsbot.notify.outbox import SLACK_KINDS, OutboxItem, OutboxKind, OutboxState
from opsbot.notify.overdue import NEVER_SENT
from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.rows import incident_id


class OutboxRepository:
    """Reads and writes what must still be said by one channel, which takes *kinds*."""

    def __init__(self, database: Database, kinds: Sequence[OutboxKind] = SLACK_KINDS) -> None:
        self._database = database
        self._kinds = kinds

    def due(self, now: float, limit: int = 50) -> tuple[OutboxItem, ...]:
        """Items that are behind and whose back-off has passed.

        Incidents that nobody was told of yet come first, the worst of them before the others; after that an incident's
        message before its timeline.
        """
        table = schema.outbox
        is_behind = or_(table.c.revision > table.c.delivered_revision, table.c.state == OutboxState.SENDING.value)
        is_message = table.c.kind == "incident_message"
        is_first = and_(
            table.c.kind.in_(("incident_message", "page", "page_entry")),
            or_(table.c.ts.is_(None), table.c.ts == NEVER_SENT),
        )
        query = (
            select(table)
            .outerjoin(schema.incident, schema.incident.c.number == table.c.incident_number)
            .where(
                table.c.kind.in_(self._kinds),
                is_behind,
                table.c.state != OutboxState.FAILED.value,
                table.c.next_at <= now,
            )
            .order_by(
                case((is_first, 0), else_=1),
                case((is_first, _severity_rank()), else_=0),
                table.c.incident_number,
                case((is_message, 0), else_=1),
                table.c.sequence,
            )
            .limit(limit)
        )
        with self._database.read() as connection:
            return tuple(_to_item(row) for row in connection.execute(query))

    def item(self, key: str) -> OutboxItem | None:
        """One item."""
        with self._database.read() as connection:
            row = connection.execute(select(schema.outbox).where(schema.outbox.c.key == key)).first()
            return None if row is None else _to_item(row)

    def mark_sending(self, key: str) -> None:
        """Written before a first post."""
        self._set(key, state=OutboxState.SENDING.value)

    def mark_delivered(self, key: str, revision: int, channel: str, ts: str) -> None:
        """The message stands at (channel, ts) and shows *revision*."""
        self._set(
            key,
            state=OutboxState.DELIVERED.value,
            delivered_revision=revision,
            channel=channel,
            ts=ts,
            attempts=0,
            next_at=0.0,
            last_error=None,
        )

    def mark_retry(self, key: str, next_at: float, error: str, *, outcome_unknown: bool) -> None:
        """Try again at *next_at*; with outcome_unknown the next try probes first."""
        state = OutboxState.SENDING if outcome_unknown else OutboxState.PENDING
        attempts = schema.outbox.c.attempts + 1
        self._set(key, state=state.value, next_at=next_at, last_error=error, attempts=attempts)

    def mark_failed(self, key: str, error: str) -> None:
        """Given up; the reason is kept."""
        self._set(key, state=OutboxState.FAILED.value, last_error=error)

    def _set(self, key: str, **values: Any) -> None:
        with self._database.write() as connection:
            connection.execute(update(schema.outbox).where(schema.outbox.c.key == key).values(**values))


def _severity_rank() -> Case[int]:
    ranks = {severity: rank for rank, severity in enumerate(SEVERITIES)}
    return case(ranks, value=schema.incident.c.severity, else_=len(SEVERITIES))


def _to_item(row: Row[Any]) -> OutboxItem:
    return OutboxItem(
        key=row.key,
        kind=row.kind,
        ref=row.ref,
        incident_id="" if row.incident_number is None else incident_id(row.incident_number),
        revision=row.revision,
        delivered_revision=row.delivered_revision,
        state=OutboxState(row.state),
        channel=row.channel,
        ts=row.ts,
        attempts=row.attempts,
        next_at=row.next_at,
        last_error=row.last_error,
    )
