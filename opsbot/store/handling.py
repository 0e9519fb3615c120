"""What people do with incidents as a whole: resolve by hand, merge, take apart, link. Each is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, or_, select

from opsbot.alert.policy import AlertPolicy
from opsbot.alert.record import AlertRecord, Hiding
from opsbot.errors import InvalidTransition
from opsbot.incident import tracker
from opsbot.incident.incident import Incident, IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.people import Person
from opsbot.store import alerts, schema
from opsbot.store.database import Database
from opsbot.store.incident_rows import link, save_incident
from opsbot.store.intake import Intake
from opsbot.store.rows import get_incident, incident_id, incident_number, write_entry
from opsbot.store.silences import count_hidden, live_silences


class HandlingRepository:
    """Every method commits before it returns, and changes nothing when it raises."""

    def __init__(self, database: Database, policy: AlertPolicy | None = None) -> None:
        self._database = database
        self._policy = AlertPolicy() if policy is None else policy

    def resolve(self, text: str, person: Person, reason: str, now: float) -> Incident:
        """End an incident by a person's word.

        Raises: NotFoundError; InvalidTransition if it is over or an alert of it fires that no silence hides.
        """
        with self._database.write() as connection:
            incident = get_incident(connection, incident_number(text))
            if incident.is_resolved:
                raise InvalidTransition(f"{incident.incident_id} is resolved already")
            self._hide_what_fires(connection, incident, now)
            ended = replace(incident.move(IncidentState.RESOLVED, now), is_blind=False, hold=None, num_firing=0)
            save_incident(connection, ended)
            text = f"Resolved by hand: {reason}"
            _note(connection, ended, person, now, "incident.resolved", text, is_broadcast=True)
            Intake(connection, self._policy, now, lambda alert: []).end_merged(ended)
            return ended

    def merge(self, text: str, into_text: str, person: Person, now: float) -> Incident:
        """Deal with an incident under another one; answers that one.

        Raises: NotFoundError; InvalidTransition if either is over, or they are the same.
        """
        with self._database.write() as connection:
            one, into = (get_incident(connection, incident_number(name)) for name in (text, into_text))
            if into.merged_into is not None:
                into = get_incident(connection, incident_number(into.merged_into))
            if one.merged_into == into.incident_id:
                return into
            if one.incident_id == into.incident_id:
                raise InvalidTransition(f"{one.incident_id} cannot be merged into itself")
            for incident in (one, into):
                if incident.is_resolved:
                    raise InvalidTransition(f"{incident.incident_id} is resolved; link the two instead")
            moved = [record for record in _attached(connection, one) if record.is_firing]
            into = _with(into, moved, now)
            _move(connection, moved, into)
            state = IncidentState.ACKNOWLEDGED if one.state is IncidentState.OPEN else one.state
            child = replace(
                one if state is one.state else one.move(state, now),
                merged_into=into.incident_id,
                acknowledged_by=one.acknowledged_by or person.user_id,
                num_firing=0,
                updated_at=now,
            )
            for grandchild in _children(connection, one):
                save_incident(connection, replace(grandchild, merged_into=into.incident_id))
            save_incident(connection, into)
            save_incident(connection, child)
            _note(
                connection, child, person, now, "incident.merged", f"Merged into {into.incident_id}", is_broadcast=True
            )
            text = f"{one.incident_id} is dealt with here from now on: {one.title}"
            _note(connection, into, person, now, "incident.merged", text)
            return into

    def take_apart(self, text: str, person: Person, now: float) -> Incident:
        """Undo a merge: the incident's own alerts come back to it.

        Raises: NotFoundError; InvalidTransition if it is not merged, or over.
        """
        with self._database.write() as connection:
            child = get_incident(connection, incident_number(text))
            if child.merged_into is None or child.is_resolved:
                raise InvalidTransition(f"{child.incident_id} is not merged into another open incident")
            into = get_incident(connection, incident_number(child.merged_into))
            own = [
                record
                for record in _attached(connection, into)
                if record.is_firing and self._policy.grouping(record.labels).key(record.labels) == child.fingerprint
            ]
            into = replace(
                into, num_firing=into.num_firing - len(own), num_alerts=into.num_alerts - len(own), updated_at=now
            )
            child = replace(child, merged_into=None, num_firing=len(own), updated_at=now)
            _move(connection, own, child)
            save_incident(connection, into)
            save_incident(connection, child)
            _note(connection, child, person, now, "incident.taken_apart", f"No longer merged into {into.incident_id}")
            text = f"{child.incident_id} is dealt with by itself again"
            _note(connection, into, person, now, "incident.taken_apart", text)
            intake = Intake(connection, self._policy, now, lambda alert: [])
            for incident in (into, child):
                if not incident.num_firing:
                    intake.settle_if_over(incident)
            return get_incident(connection, incident_number(child.incident_id))

    def link(self, text: str, other_text: str, person: Person, reason: str, now: float) -> bool:
        """Say that two incidents have to do with each other; answers whether that is new.

        Raises: NotFoundError, InvalidTransition if they are the same.
        """
        with self._database.write() as connection:
            one, other = (get_incident(connection, incident_number(name)) for name in (text, other_text))
            if one.incident_id == other.incident_id:
                raise InvalidTransition(f"{one.incident_id} cannot be linked with itself")
            if not link(connection, one.incident_id, other.incident_id, reason, person.user_id, now):
                return False
            for incident, linked in ((one, other), (other, one)):
                text = f"Linked with {linked.incident_id} ({linked.title}): {reason}"
                _note(connection, incident, person, now, "incident.linked", text)
            return True

    def _hide_what_fires(self, connection: Connection, incident: Incident, now: float) -> None:
        silences = live_silences(connection, now)
        firing = [record for record in _attached(connection, incident) if record.is_firing]
        bare = [record for record in firing if not any(one.match.holds(record.labels) for one in silences)]
        if bare:
            names = ", ".join(dict.fromkeys(record.alert.name for record in bare))
            raise InvalidTransition(
                f"{len(bare)} of {incident.incident_id}'s alerts still fire ({names}); it ends when they do. "
                f'To end it before that, silence them first: `silence 2h alertname="{bare[0].alert.name}" because …`'
            )
        for record in firing:
            silence = next(one for one in silences if one.match.holds(record.labels))
            alerts.hide(connection, record, Hiding.SILENCE, by=silence.silence_id)
            count_hidden(connection, silence.silence_id)


def _attached(connection: Connection, incident: Incident) -> Sequence[AlertRecord]:
    records = alerts.of_incident(connection, incident_number(incident.incident_id))
    return [record for record in records if record.hiding is None]


def _children(connection: Connection, incident: Incident) -> Sequence[Incident]:
    number = incident_number(incident.incident_id)
    return [get_incident(connection, incident_number(text)) for text in merged_into(connection, number)]


def _with(incident: Incident, records: Sequence[AlertRecord], now: float) -> Incident:
    """The incident with other alerts in it."""
    for record in records:
        changed = tracker.joined(record.alert, incident, now).incident
        assert changed is not None
        incident = changed
    return incident


def _move(connection: Connection, records: Sequence[AlertRecord], to: Incident) -> None:
    for record in records:
        alerts.attach(connection, record, to.incident_id)


def linked(connection: Connection, number: int) -> Sequence[tuple[str, str]]:
    """The incidents that one is linked with, each with the reason."""
    table = schema.incident_link
    rows = connection.execute(
        select(table).where(or_(table.c.one == number, table.c.other == number)).order_by(table.c.at)
    )
    return [(incident_id(row.other if row.one == number else row.one), row.reason) for row in rows.all()]


def merged_into(connection: Connection, number: int) -> Sequence[str]:
    """The incidents that are dealt with under one."""
    table = schema.incident
    query = select(table.c.number).where(table.c.merged_into == number).order_by(table.c.number)
    return [incident_id(row.number) for row in connection.execute(query).all()]


def _note(
    connection: Connection,
    incident: Incident,
    person: Person,
    now: float,
    kind: str,
    text: str,
    *,
    is_broadcast: bool = False,
) -> None:
    key = f"{incident.incident_id}:{kind}:{person.user_id}:{now:.3f}"
    write_entry(
        connection, TimelineEntry(key, incident.incident_id, now, person.user_id, kind, text, is_broadcast, person.via)
    )
