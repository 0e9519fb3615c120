"""Incidents, their timeline and the alerts behind them. `ingest` is the one transaction that accepting alerts is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, desc, func, or_, select

from opsbot.alert.alert import Alert, AlertState
from opsbot.alert.all_clear import question_of
from opsbot.alert.policy import AlertPolicy
from opsbot.incident.explanation import Decision, Explanation
from opsbot.incident.incident import Hold, HoldKind, Incident, IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.store import alerts as alert_rows
from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.incident_rows import save_incident
from opsbot.store.intake import Intake, OnOpened
from opsbot.store.pages import acknowledge_again
from opsbot.store.rows import (
    get_incident,
    incident_number,
    incident_number_or_none,
    to_entry,
    to_incident,
    write_entry,
)
from opsbot.store.run_queue import RunbookToRun

Keep = Callable[[Connection], Sequence[Alert]]

MOST_EXPLAINED = 100
"""Incidents and decisions of one answer."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What accepting a batch of alerts did."""

    opened: tuple[str, ...]
    resolved: tuple[str, ...]
    runs: tuple[str, ...]


class IncidentRepository:
    """Reads and writes incidents."""

    def __init__(
        self, database: Database, policy: AlertPolicy | None = None, on_opened: OnOpened | None = None
    ) -> None:
        self._database = database
        self._on_opened = on_opened
        self._policy = AlertPolicy() if policy is None else policy
        self.is_paging = self._policy.is_paging

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
        with self._database.write() as connection:
            intake = Intake(connection, self._policy, now, select_runbooks, self._on_opened)
            # What may hide others comes first, so that one post that holds both opens one incident.
            taken = alerts if keep is None else keep(connection)
            for alert in sorted(taken, key=lambda alert: not self._policy.may_hide(alert.labels)):
                intake.accept(alert)
        return _ingested(intake)

    def review(self, now: float, select_runbooks: Callable[[Alert], Sequence[RunbookToRun]]) -> Ingested:
        """Look again at what was put off: waits that are over, silences and inhibitions that have ended, holds.

        Raises: StoreError having changed nothing.
        """
        with self._database.read() as connection:
            if not _has_put_off(connection, now):
                return Ingested((), (), ())
        with self._database.write() as connection:
            intake = Intake(connection, self._policy, now, select_runbooks, self._on_opened)
            intake.review()
        return _ingested(intake)

    def awaiting_all_clear(self, now: float) -> tuple[tuple[Incident, tuple[Alert, ...]], ...]:
        """Incidents that wait for a look at their trend, each with the alerts that ask for one."""
        table = schema.incident
        query = select(table).where(
            table.c.hold_kind == HoldKind.TREND.value,
            table.c.hold_until <= now,
            table.c.state != IncidentState.RESOLVED.value,
        )
        with self._database.read() as connection:
            found = []
            for row in connection.execute(query).all():
                records = alert_rows.of_incident(connection, row.number)
                asking = [record.alert for record in records if question_of(record.alert) is not None]
                found.append((to_incident(row), tuple(asking)))
            return tuple(found)

    def answer_all_clear(self, incident_id: str, hold: Hold | None, note: str, now: float) -> None:
        """What the trend of an incident says: end it, with *note*, or hold it; nothing if it fires again meanwhile."""
        with self._database.write() as connection:
            incident = get_incident(connection, incident_number(incident_id))
            if incident.hold is None or incident.hold.kind is not HoldKind.TREND or incident.is_resolved:
                return
            intake = Intake(connection, self._policy, now, lambda alert: [])
            if hold is None:
                intake.settle(incident, note)
            else:
                intake.hold(incident, hold)

    def firing(self) -> tuple[Alert, ...]:
        """Every alert that fires, also those that are hidden."""
        with self._database.read() as connection:
            return tuple(record.alert for record in alert_rows.firing(connection))

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
        """Change an incident's state; the same state again changes nothing but who has it, where *user_id* says so.

        Raises: InvalidTransition, NotFoundError.
        """
        with self._database.write() as connection:
            incident = get_incident(connection, incident_number(text))
            is_taken_over = user_id not in (None, incident.acknowledged_by)
            if incident.state is state and not is_taken_over:
                return incident
            moved = replace(incident, updated_at=now) if incident.state is state else incident.move(state, now)
            if user_id is not None:
                moved = replace(moved, acknowledged_by=user_id)
            save_incident(connection, moved)
            write_entry(connection, note)
            return moved

    def acknowledge_again(self, text: str) -> bool:
        """Have the pager told anew who has an incident, where it has forgotten that; answers whether it had."""
        with self._database.write() as connection:
            return acknowledge_again(connection, incident_number(text))

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
                fingerprints.update(record.fingerprint for record in alert_rows.of_incident(connection, number))
            theirs = select(schema.alert.c.incident_number).where(schema.alert.c.fingerprint.in_(fingerprints))
            incidents = connection.execute(
                select(table)
                .where(or_(table.c.fingerprint.in_(fingerprints), table.c.number.in_(theirs)))
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

    def forget_alerts(self, older_than: float) -> int:
        """Drop alerts that ended before *older_than* and have fired since; answers how many."""
        with self._database.write() as connection:
            return _drop_old_alerts(connection, older_than)

    def forget_decisions(self, older_than: float) -> int:
        """Drop decision records from before *older_than*; answers how many."""
        table = schema.decision
        with self._database.write() as connection:
            return connection.execute(table.delete().where(table.c.at < older_than)).rowcount


def _drop_old_alerts(connection: Connection, older_than: float) -> int:
    """Drop alerts that ended before *older_than* and have fired since; the newest tells late duplicates apart."""
    alert, newer = schema.alert, schema.alert.alias()
    has_newer = select(newer.c.number).where(
        newer.c.fingerprint == alert.c.fingerprint, newer.c.episode > alert.c.episode
    )
    is_old = alert.c.state == AlertState.RESOLVED.value, alert.c.ends_at < older_than
    return connection.execute(alert.delete().where(*is_old, has_newer.exists())).rowcount


def _ingested(intake: Intake) -> Ingested:
    return Ingested(tuple(intake.opened), tuple(intake.resolved), tuple(intake.runs))


def _has_put_off(connection: Connection, now: float) -> bool:
    alert, incident = schema.alert, schema.incident
    is_hidden = select(alert.c.number).where(alert.c.state == alert_rows.FIRING, alert.c.hiding.is_not(None)).limit(1)
    is_held = (
        select(incident.c.number)
        .where(
            incident.c.hold_kind == HoldKind.FLAPPING.value,
            incident.c.hold_until <= now,
            incident.c.state != IncidentState.RESOLVED.value,
        )
        .limit(1)
    )
    return any(connection.execute(query).first() is not None for query in (is_hidden, is_held))
