"""Incidents, their timeline and the alerts behind them. `ingest` is the one transaction that accepting alerts is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, desc, func, insert, or_, select, update

from opsbot.alert.alert import Alert, AlertState
from opsbot.incident.explanation import Decision, Explanation
from opsbot.incident.incident import Incident, IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.tracker import Changes, Known, entry, track
from opsbot.runbook.run import INTERPRETER_VERSION, RunState
from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.rows import (
    get_incident,
    incident_id,
    incident_number,
    incident_number_or_none,
    to_entry,
    to_incident,
    wish_incident,
    write_entry,
)

Keep = Callable[[Connection], Sequence[Alert]]

LONGEST_NAME = 255
MOST_EXPLAINED = 100
"""Incidents and decisions of one answer."""


@dataclass(frozen=True, slots=True)
class RunbookToRun:
    """A pinned runbook revision that an alert asks for."""

    runbook_id: str
    name: str
    revision: str
    runbook_json: str


@dataclass(frozen=True, slots=True)
class Ingested:
    """What accepting a batch of alerts did."""

    opened: tuple[str, ...]
    resolved: tuple[str, ...]
    runs: tuple[str, ...]


class IncidentRepository:
    """Reads and writes incidents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ingest(
        self,
        alerts: Sequence[Alert],
        now: float,
        select_runbooks: Callable[[Alert], Sequence[RunbookToRun]],
        keep: Keep | None = None,
    ) -> Ingested:
        """Accept *alerts* with everything that follows from them, in one transaction.

        Where there is *keep*, it is asked first, in that transaction, which alerts are still to be accepted.

        Raises: StoreError having accepted nothing.
        """
        opened: list[str] = []
        resolved: list[str] = []
        runs: list[str] = []
        with self._database.write() as connection:
            for alert in alerts if keep is None else keep(connection):
                changes = track(alert, _known(connection, alert.fingerprint), now)
                changed = _apply(connection, alert, changes, now)
                if changed is None:
                    continue
                if changes.opened is not None:
                    opened.append(changed.incident_id)
                    runs += [_queue(connection, changed, runbook, now) for runbook in select_runbooks(alert)]
                elif changed.state is IncidentState.RESOLVED:
                    resolved.append(changed.incident_id)
        return Ingested(tuple(opened), tuple(resolved), tuple(runs))

    def firing(self) -> tuple[Alert, ...]:
        """The alerts behind every incident that is not resolved."""
        table = schema.incident
        with self._database.read() as connection:
            rows = connection.execute(select(table).where(table.c.state != IncidentState.RESOLVED.value))
            return tuple(
                Alert(
                    row.labels,
                    row.annotations,
                    AlertState.FIRING,
                    row.starts_at,
                    value=row.value,
                    fingerprint=row.fingerprint,
                )
                for row in rows
            )

    def incident(self, text: str) -> Incident:
        """One incident; raises NotFoundError."""
        with self._database.read() as connection:
            return get_incident(connection, incident_number(text))

    def incidents(self, *, include_resolved: bool, limit: int = 100) -> tuple[Incident, ...]:
        """Incidents, newest first."""
        table = schema.incident
        query = select(table).order_by(desc(table.c.number)).limit(limit)
        if not include_resolved:
            query = query.where(table.c.state != IncidentState.RESOLVED.value)
        with self._database.read() as connection:
            return tuple(to_incident(row) for row in connection.execute(query))

    def move(
        self, text: str, state: IncidentState, now: float, *, note: TimelineEntry | None, user_id: str | None = None
    ) -> Incident:
        """Change an incident's state; the same state again changes nothing.

        Raises: InvalidTransition, NotFoundError.
        """
        with self._database.write() as connection:
            incident = get_incident(connection, incident_number(text))
            if incident.state is state:
                return incident
            moved = incident.move(state, now)
            if user_id is not None:
                moved = replace(moved, acknowledged_by=user_id)
            _save(connection, moved)
            write_entry(connection, note)
            return moved

    def add_entry(self, note: TimelineEntry) -> None:
        """Write a timeline entry; one with the same key is there once."""
        with self._database.write() as connection:
            write_entry(connection, note)

    def entry(self, key: str) -> TimelineEntry | None:
        """One timeline entry."""
        with self._database.read() as connection:
            row = connection.execute(select(schema.timeline).where(schema.timeline.c.key == key)).first()
            return None if row is None else to_entry(row)

    def decisions(self, fingerprint: str) -> tuple[tuple[float, str, str], ...]:
        """Why alerts of *fingerprint* did what they did: (seconds, kind, text), oldest first."""
        table = schema.decision
        query = select(table).where(table.c.fingerprint == fingerprint).order_by(table.c.sequence)
        with self._database.read() as connection:
            return tuple((row.at, row.kind, row.text) for row in connection.execute(query))

    def explain(self, about: str) -> Explanation:
        """The newest incidents and decisions about an incident's id, an alert's name or a fingerprint."""
        table, decision = schema.incident, schema.decision
        meant = [decision.c.fingerprint == about, decision.c.alertname == about]
        with self._database.read() as connection:
            named = connection.execute(
                select(decision.c.fingerprint).where(or_(*meant)).distinct().limit(MOST_EXPLAINED)
            )
            fingerprints = {about, *(row.fingerprint for row in named)}
            number = incident_number_or_none(about)
            if number is not None:
                fingerprints.add(get_incident(connection, number).fingerprint)
            incidents = connection.execute(
                select(table)
                .where(table.c.fingerprint.in_(fingerprints))
                .order_by(desc(table.c.number))
                .limit(MOST_EXPLAINED)
            )
            found = tuple(to_incident(row) for row in incidents)
            decisions = connection.execute(
                select(decision)
                .where(or_(decision.c.fingerprint.in_(fingerprints), *meant))
                .order_by(desc(decision.c.sequence))
                .limit(MOST_EXPLAINED)
            )
            rows = [Decision(row.at, row.fingerprint, row.alertname, row.kind, row.text) for row in decisions]
        return Explanation(found, tuple(reversed(rows)))

    def counts(self) -> Mapping[str, int]:
        """Incidents by state."""
        table = schema.incident
        with self._database.read() as connection:
            rows = connection.execute(select(table.c.state, func.count()).group_by(table.c.state))
            return {str(state): int(count) for state, count in rows}

    def forget_decisions(self, older_than: float) -> int:
        """Drop decision records from before *older_than*; answers how many."""
        table = schema.decision
        with self._database.write() as connection:
            return connection.execute(table.delete().where(table.c.at < older_than)).rowcount


def _known(connection: Connection, fingerprint: str) -> Known:
    table = schema.incident
    query = select(table).where(table.c.fingerprint == fingerprint).order_by(desc(table.c.episode)).limit(1)
    row = connection.execute(query).first()
    if row is None:
        return Known(None, 0, 0.0)
    newest = to_incident(row)
    return Known(None if newest.is_resolved else newest, newest.episode, row.starts_at)


def _apply(connection: Connection, alert: Alert, changes: Changes, now: float) -> Incident | None:
    if changes.kind:
        connection.execute(
            insert(schema.decision).values(
                at=now,
                fingerprint=alert.fingerprint,
                alertname=alert.name[:LONGEST_NAME],
                kind=changes.kind,
                text=changes.reason,
            )
        )
    incident = changes.opened or changes.updated
    if incident is None:
        return None
    if changes.opened is not None:
        incident = _insert(connection, alert, incident)
    else:
        _save(connection, incident)
    number = incident_number(incident.incident_id)
    for kind, text, is_broadcast in changes.entries:
        note = entry(
            incident.incident_id, kind, text, now, is_broadcast=is_broadcast, suffix=f"{incident.episode}:{now:.3f}"
        )
        write_entry(connection, note)
    wish_incident(connection, number)
    return incident


def _insert(connection: Connection, alert: Alert, incident: Incident) -> Incident:
    done = connection.execute(
        insert(schema.incident).values(
            **_columns(incident),
            fingerprint=incident.fingerprint,
            episode=incident.episode,
            opened_at=incident.opened_at,
            starts_at=alert.starts_at,
            annotations=dict(alert.annotations),
        )
    )
    assert done.inserted_primary_key is not None
    return replace(incident, incident_id=incident_id(int(done.inserted_primary_key[0])))


def _save(connection: Connection, incident: Incident) -> None:
    number = incident_number(incident.incident_id)
    connection.execute(update(schema.incident).where(schema.incident.c.number == number).values(**_columns(incident)))
    wish_incident(connection, number)


def _columns(incident: Incident) -> dict[str, Any]:
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
    }


def _queue(connection: Connection, incident: Incident, runbook: RunbookToRun, now: float) -> str:
    run_id = f"run:{runbook.runbook_id}:{incident.fingerprint}:{incident.episode}:1"
    connection.execute(
        insert(schema.run).values(
            run_id=run_id,
            incident_number=incident_number(incident.incident_id),
            runbook_id=runbook.runbook_id,
            runbook_name=runbook.name,
            revision=runbook.revision,
            runbook_json=runbook.runbook_json,
            interpreter_version=INTERPRETER_VERSION,
            state=RunState.QUEUED.value,
            detail="",
            created_at=now,
        )
    )
    note = entry(
        incident.incident_id,
        "run.queued",
        f"Runbook “{runbook.name}” matches and is started",
        now,
        is_broadcast=False,
        suffix=run_id,
    )
    write_entry(connection, note)
    return run_id
