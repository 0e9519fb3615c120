"""Incidents and the links between them, written inside one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, insert, select, update

from opsbot.alert.alert import Alert
from opsbot.incident.incident import Incident
from opsbot.store import schema
from opsbot.store.rows import incident_id, incident_number, wish_entry_pages, wish_incident, wish_page_cards


def insert_incident(connection: Connection, alert: Alert, incident: Incident, starts_at: float) -> Incident:
    """A new incident that *alert* opens, with its number."""
    done = connection.execute(
        insert(schema.incident).values(
            **_columns(incident),
            fingerprint=incident.fingerprint,
            episode=incident.episode,
            opened_at=incident.opened_at,
            starts_at=starts_at,
            annotations=dict(alert.annotations),
        )
    )
    assert done.inserted_primary_key is not None
    return replace(incident, incident_id=incident_id(int(done.inserted_primary_key[0])))


def save_incident(connection: Connection, incident: Incident) -> None:
    """Write a changed incident and wish it shown."""
    number = incident_number(incident.incident_id)
    table = schema.incident
    before = connection.execute(select(table.c.state).where(table.c.number == number)).scalar()
    connection.execute(update(table).where(table.c.number == number).values(**_columns(incident)))
    if before != incident.state.value:
        wish_page_cards(connection, number)
    wish_incident(connection, number)
    if incident.is_resolved:
        wish_entry_pages(connection, number)


def link(connection: Connection, one: str, other: str, reason: str, actor: str, now: float) -> bool:
    """Link two incidents, once; answers whether they were not linked before."""
    table = schema.incident_link
    low, high = sorted((incident_number(one), incident_number(other)))
    if connection.execute(select(table.c.one).where(table.c.one == low, table.c.other == high)).first():
        return False
    connection.execute(insert(table).values(one=low, other=high, reason=reason, actor=actor, at=now))
    for number in (low, high):
        wish_incident(connection, number)
    return True


def _columns(incident: Incident) -> dict[str, Any]:
    hold = incident.hold
    return {
        "title": incident.title,
        "description": incident.description,
        "severity": incident.severity,
        "labels": dict(incident.labels),
        "state": incident.state.value,
        "updated_at": incident.updated_at,
        "acknowledged_by": incident.acknowledged_by,
        "resolved_at": incident.resolved_at,
        "value": incident.value,
        "is_blind": incident.is_blind,
        "lead": incident.lead,
        "num_alerts": incident.num_alerts,
        "num_firing": incident.num_firing,
        "hold_kind": None if hold is None else hold.kind.value,
        "hold_reason": None if hold is None else hold.reason,
        "hold_until": None if hold is None else hold.until,
        "merged_into": None if incident.merged_into is None else incident_number(incident.merged_into),
    }
