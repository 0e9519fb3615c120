"""The alerts behind incidents, one row for each firing of a label set; read and written inside one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, desc, func, insert, select, update

from opsbot.alert.alert import Alert, AlertState
from opsbot.alert.record import AlertRecord, Hiding
from opsbot.incident.tracker import is_blind
from opsbot.store import schema
from opsbot.store.rows import incident_id, incident_number

LONGEST_NAME = 255
FIRING = AlertState.FIRING.value


def newest(connection: Connection, fingerprint: str) -> AlertRecord | None:
    """The newest episode of a label set."""
    table = schema.alert
    query = select(table).where(table.c.fingerprint == fingerprint).order_by(desc(table.c.episode)).limit(1)
    row = connection.execute(query).first()
    return None if row is None else to_record(row)


def add(connection: Connection, alert: Alert, episode: int, now: float) -> AlertRecord:
    """A new episode of *alert*, which belongs to nothing yet."""
    record = AlertRecord(
        0,
        alert.fingerprint,
        episode,
        dict(alert.labels),
        dict(alert.annotations),
        alert.source,
        AlertState.FIRING,
        alert.starts_at,
        now,
        value=alert.value,
        is_blind=is_blind(alert),
    )
    done = connection.execute(
        insert(schema.alert).values(
            fingerprint=record.fingerprint,
            episode=episode,
            alertname=alert.name[:LONGEST_NAME],
            labels=record.labels,
            annotations=record.annotations,
            source=record.source,
            state=record.state.value,
            starts_at=record.starts_at,
            received_at=now,
            value=record.value,
            is_blind=record.is_blind,
        )
    )
    assert done.inserted_primary_key is not None
    return replace(record, number=int(done.inserted_primary_key[0]))


def refresh(connection: Connection, record: AlertRecord, alert: Alert) -> AlertRecord:
    """The same episode as it is now."""
    annotations = dict(alert.annotations)
    return _set(connection, record, value=alert.value, is_blind=is_blind(alert), annotations=annotations)


def end(connection: Connection, record: AlertRecord, ends_at: float) -> AlertRecord:
    """The episode is over."""
    return _set(connection, record, state=AlertState.RESOLVED, ends_at=ends_at, is_blind=False)


def hide(
    connection: Connection, record: AlertRecord, hiding: Hiding, *, by: str | None = None, until: float | None = None
) -> AlertRecord:
    """The alert opens nothing, for the time being."""
    return _set(connection, record, hiding=hiding, hidden_by=by, hidden_until=until)


def attach(connection: Connection, record: AlertRecord, incident: str) -> AlertRecord:
    """The alert belongs to *incident* from now on."""
    return _set(connection, record, incident_id=incident, hiding=None, hidden_by=None, hidden_until=None)


def firing(connection: Connection) -> tuple[AlertRecord, ...]:
    """Every alert that fires, hidden or not, oldest first."""
    return _where(connection, schema.alert.c.state == FIRING)


def hidden(connection: Connection) -> tuple[AlertRecord, ...]:
    """Alerts that fire and belong to no incident, oldest first."""
    return _where(connection, schema.alert.c.state == FIRING, schema.alert.c.hiding.is_not(None))


def of_incident(connection: Connection, number: int) -> tuple[AlertRecord, ...]:
    """Every alert that an incident ever had, oldest first."""
    return _where(connection, schema.alert.c.incident_number == number)


def is_any_blind(connection: Connection, number: int) -> bool:
    """Whether any firing alert of an incident has no data behind it."""
    table = schema.alert
    query = select(func.count()).where(
        table.c.incident_number == number, table.c.state == FIRING, table.c.is_blind.is_(True)
    )
    return bool(connection.execute(query).scalar_one())


def num_episodes(connection: Connection, fingerprint: str, since: float) -> int:
    """How often a label set began to fire after *since*, by our own clock."""
    table = schema.alert
    query = select(func.count()).where(table.c.fingerprint == fingerprint, table.c.received_at >= since)
    return int(connection.execute(query).scalar_one())


def num_incidents(connection: Connection, name: str, since: float) -> int:
    """In how many incidents alerts of that name are that came after *since*."""
    table = schema.alert
    query = select(func.count(table.c.incident_number.distinct())).where(
        table.c.alertname == name[:LONGEST_NAME], table.c.received_at >= since
    )
    return int(connection.execute(query).scalar_one())


def _where(connection: Connection, *conditions: Any) -> tuple[AlertRecord, ...]:
    query = select(schema.alert).where(*conditions).order_by(schema.alert.c.number)
    return tuple(to_record(row) for row in connection.execute(query))


def to_record(row: Row[Any]) -> AlertRecord:
    """A row of the alert table as a value."""
    return AlertRecord(
        number=row.number,
        fingerprint=row.fingerprint,
        episode=row.episode,
        labels=row.labels,
        annotations=row.annotations,
        source=row.source,
        state=AlertState(row.state),
        starts_at=row.starts_at,
        received_at=row.received_at,
        ends_at=row.ends_at,
        value=row.value,
        is_blind=row.is_blind,
        incident_id=None if row.incident_number is None else incident_id(row.incident_number),
        hiding=None if row.hiding is None else Hiding(row.hiding),
        hidden_by=row.hidden_by,
        hidden_until=row.hidden_until,
    )


def _set(connection: Connection, record: AlertRecord, **values: Any) -> AlertRecord:
    columns = dict(values)
    if "incident_id" in columns:
        columns["incident_number"] = incident_number(columns.pop("incident_id"))
    connection.execute(update(schema.alert).where(schema.alert.c.number == record.number).values(**columns))
    return replace(record, **values)
