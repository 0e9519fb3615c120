"""The outbox's durable side: implements `opsbot.notify.outbox.OutboxStore`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Case, ColumnElement, Row, Select, and_, case, exists, func, or_, select, update

from opsbot.alert.alert import SEVERITIES
from opsbot.errors import NotFoundError
from opsbot.incident.incident import IncidentState
from opsbot.notify.order import ASKING_KINDS
from opsbot.notify.outbox import SLACK_KINDS, OutboxItem, OutboxKind, OutboxState
from opsbot.notify.overdue import NEVER_SENT
from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.rows import incident_id

_outbox, _incident, _timeline, _notice = schema.outbox.c, schema.incident.c, schema.timeline.c, schema.notice.c
IS_BEHIND = _outbox.revision > _outbox.delivered_revision
"""The condition of the index `ix_outbox_behind`: what waits is found however much was said before."""
SINCE: ColumnElement[float] = func.coalesce(
    _timeline.at, _notice.at, case((_outbox.ts.is_(None), _incident.opened_at), else_=_incident.updated_at)
)
"""When what an item says became so; in queries that join `facts`."""


class OutboxRepository:
    """Reads and writes what must still be said by one channel, which takes *kinds*."""

    def __init__(self, database: Database, kinds: Sequence[OutboxKind] = SLACK_KINDS) -> None:
        self._database = database
        self._kinds = kinds

    def due(self, now: float, limit: int = 50) -> tuple[OutboxItem, ...]:
        """Items that are behind and whose back-off has passed; of entries, those with none before them in a back-off.

        Incidents that nobody was told of yet come first, the worst of them before the others; after that an incident's
        message before its timeline.
        """
        with self._database.read() as connection:
            rows = connection.execute(_due(self._kinds, now, limit)).all()
            leaders = [row.key for row in rows]
            carried = _carried(connection.execute(_carried_by(leaders)).all()) if leaders else {}
            return tuple(_to_item(row, carried) for row in _in_turn(rows, now))

    def item(self, key: str) -> OutboxItem | None:
        """One item."""
        with self._database.read() as connection:
            row = connection.execute(_facts().where(_outbox.key == key)).first()
            if row is None:
                return None
            return _to_item(row, _carried(connection.execute(_carried_by([key])).all()))

    def carry(self, key: str, carried: Sequence[str]) -> OutboxItem:
        """From now on the message of *key* says what the items *carried* were to say.

        Raises: NotFoundError.
        """
        with self._database.write() as connection:
            connection.execute(
                update(schema.outbox)
                .where(
                    _outbox.key.in_(carried),
                    _outbox.key != key,
                    _outbox.carried_by.is_(None),
                    _outbox.state == OutboxState.PENDING.value,
                    _outbox.ts.is_(None),
                )
                .values(carried_by=key)
            )
        item = self.item(key)
        if item is None:
            raise NotFoundError(f"there is no item {key} in the outbox")
        return item

    def mark_sending(self, key: str) -> None:
        """Written before a first post; it is behind from now on, also where it is posted afresh."""
        behind = case((IS_BEHIND, _outbox.delivered_revision), else_=_outbox.revision - 1)
        self._set(key, state=OutboxState.SENDING.value, delivered_revision=behind)

    def mark_delivered(self, key: str, revision: int, channel: str, ts: str) -> None:
        """The message stands at (channel, ts) and shows *revision*, and whatever it carries."""
        said = {
            "state": OutboxState.DELIVERED.value,
            "channel": channel,
            "ts": ts,
            "attempts": 0,
            "next_at": 0.0,
            "last_error": None,
        }
        with self._database.write() as connection:
            connection.execute(
                update(schema.outbox).where(_outbox.key == key).values(delivered_revision=revision, **said)
            )
            connection.execute(
                update(schema.outbox)
                .where(_outbox.carried_by == key)
                .values(delivered_revision=_outbox.revision, **said)
            )

    def mark_retry(self, key: str, next_at: float, error: str, *, outcome_unknown: bool) -> None:
        """Try again at *next_at*; with outcome_unknown the next try probes first."""
        state = OutboxState.SENDING if outcome_unknown else OutboxState.PENDING
        attempts = schema.outbox.c.attempts + 1
        self._set(key, state=state.value, next_at=next_at, last_error=error, attempts=attempts)

    def mark_failed(self, key: str, error: str) -> None:
        """Given up; the reason is kept. What it carried is due again, each by itself."""
        with self._database.write() as connection:
            connection.execute(
                update(schema.outbox).where(_outbox.key == key).values(state=OutboxState.FAILED.value, last_error=error)
            )
            connection.execute(
                update(schema.outbox).where(_outbox.carried_by == key, IS_BEHIND).values(carried_by=None)
            )

    def retry_now(self) -> None:
        """No back-off holds what waits."""
        with self._database.write() as connection:
            connection.execute(
                update(schema.outbox)
                .where(
                    IS_BEHIND,
                    _outbox.kind.in_(self._kinds),
                    _outbox.state != OutboxState.FAILED.value,
                    _outbox.next_at > 0,
                )
                .values(next_at=0.0)
            )

    def _set(self, key: str, **values: Any) -> None:
        with self._database.write() as connection:
            connection.execute(update(schema.outbox).where(schema.outbox.c.key == key).values(**values))


def facts() -> Any:
    """The outbox joined with what its items are about."""
    return (
        schema.outbox.outerjoin(schema.incident, _incident.number == _outbox.incident_number)
        .outerjoin(schema.timeline, and_(_outbox.kind == "timeline_entry", _timeline.key == _outbox.ref))
        .outerjoin(schema.notice, and_(_outbox.kind == "notice", _notice.key == _outbox.ref))
    )


def _facts() -> Select[Any]:
    is_over = or_(_incident.state == IncidentState.RESOLVED.value, _incident.merged_into.is_not(None))
    asked = schema.approval.c
    said = schema.announcement.c
    is_asking = or_(
        _timeline.kind.in_(ASKING_KINDS),
        and_(
            _outbox.kind == "incident_message",
            or_(
                exists().where(asked.incident_number == _outbox.incident_number, asked.state == "open"),
                exists().where(said.incident_number == _outbox.incident_number, said.state == "open"),
            ),
        ),
    )
    return select(
        schema.outbox,
        _incident.severity.label("severity"),
        is_over.label("is_over"),
        is_asking.label("asks"),
        _timeline.is_broadcast.label("is_broadcast"),
        SINCE.label("since"),
    ).select_from(facts())


def _due(kinds: Sequence[OutboxKind], now: float, limit: int) -> Select[Any]:
    is_first = and_(
        _outbox.kind.in_(("incident_message", "page", "page_entry")),
        or_(_outbox.ts.is_(None), _outbox.ts == NEVER_SENT),
    )
    return (
        _facts()
        .where(
            _outbox.kind.in_(kinds),
            IS_BEHIND,
            _outbox.state != OutboxState.FAILED.value,
            _outbox.carried_by.is_(None),
            # An entry in a back-off is read too, since it holds those behind it.
            or_(_outbox.next_at <= now, _outbox.kind == "timeline_entry"),
        )
        .order_by(
            case((is_first, 0), else_=1),
            case((is_first, _severity_rank()), else_=0),
            _outbox.incident_number,
            case((_outbox.kind == "incident_message", 0), else_=1),
            _outbox.sequence,
        )
        .limit(limit)
    )


def _carried_by(keys: Sequence[str]) -> Select[Any]:
    return (
        select(_outbox.carried_by, _outbox.ref)
        .where(_outbox.carried_by.is_not(None), _outbox.carried_by.in_(keys))
        .order_by(_outbox.sequence)
    )


def _carried(rows: Iterable[Row[Any]]) -> Mapping[str, Sequence[str]]:
    carried: dict[str, list[str]] = {}
    for row in rows:
        carried.setdefault(row.carried_by, []).append(row.ref)
    return carried


def _in_turn(rows: Iterable[Row[Any]], now: float) -> Iterable[Row[Any]]:
    held: set[int] = set()
    for row in rows:
        if row.kind == "timeline_entry" and (row.next_at > now or row.incident_number in held):
            held.add(row.incident_number)
        else:
            yield row


def _severity_rank() -> Case[int]:
    ranks = {severity: rank for rank, severity in enumerate(SEVERITIES)}
    return case(ranks, value=_incident.severity, else_=len(SEVERITIES))


def _to_item(row: Row[Any], carried: Mapping[str, Sequence[str]]) -> OutboxItem:
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
        severity=row.severity,
        is_over=bool(row.is_over),
        asks=bool(row.asks),
        is_broadcast=bool(row.is_broadcast),
        since=row.since,
        carried=tuple(carried.get(row.key, ())),
    )
