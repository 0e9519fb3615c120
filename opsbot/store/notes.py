"""What people add to a timeline by hand. The timeline is append-only: taking a message off is an entry of its own."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from opsbot.incident.incident import Incident
from opsbot.incident.note import QuotedMessage
from opsbot.incident.timeline import TimelineEntry
from opsbot.people import Person
from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.rows import get_incident, incident_id, incident_number, write_entry


class NoteRepository:
    """Every method commits before it returns; the same again changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, text: str, words: str, person: Person, request_id: str, now: float) -> Incident:
        """Add a person's own words, once for each *request_id*; raises NotFoundError."""
        with self._database.write() as connection:
            incident = get_incident(connection, incident_number(text))
            key = f"{incident.incident_id}:note:{request_id}"
            _write(connection, key, incident, person, "note.added", words, now)
            return incident

    def quote(self, text: str, message: QuotedMessage, person: Person, now: float) -> tuple[Incident, bool]:
        """Add a message that is not there; answers whether it was new. Raises NotFoundError."""
        with self._database.write() as connection:
            incident = get_incident(connection, incident_number(text))
            prefix, count = _said_of(connection, incident, message.place)
            # Added, taken off, added again: the odd entries add it.
            if count % 2:
                return incident, False
            said = f"Added to the timeline: {message.sentence(now)}"
            key = f"{prefix}{count + 1}"
            _write(connection, key, incident, person, "note.quoted", said, now, is_quiet=message.is_in_thread)
            return incident, True

    def unquote(self, text: str, place: str, person: Person, now: float) -> tuple[Incident, bool]:
        """Say that a message is taken off; answers whether it was there. Raises NotFoundError."""
        with self._database.write() as connection:
            incident = get_incident(connection, incident_number(text))
            prefix, count = _said_of(connection, incident, place)
            if not count % 2:
                return incident, False
            table = schema.timeline
            added = connection.execute(select(table.c.text).where(table.c.key == f"{prefix}{count}")).scalar_one()
            said = f"Taken off the timeline again: {str(added).partition(': ')[2]}"
            _write(connection, f"{prefix}{count + 1}", incident, person, "note.taken_off", said, now)
            return incident, True

    def quoting(self, place: str) -> tuple[str, ...]:
        """The incidents whose timeline has a message now, oldest first."""
        table = schema.timeline
        query = (
            select(table.c.incident_number, func.count())
            .where(
                table.c.kind.in_(("note.quoted", "note.taken_off")), table.c.key.contains(_mark(place), autoescape=True)
            )
            .group_by(table.c.incident_number)
            .order_by(table.c.incident_number)
        )
        with self._database.read() as connection:
            return tuple(incident_id(number) for number, count in connection.execute(query) if count % 2)

    def incident_at(self, channel: str, ts: str) -> str | None:
        """The incident whose own message stands there, or one entry of its thread."""
        table = schema.outbox
        query = select(table.c.incident_number).where(
            table.c.kind.in_(("incident_message", "timeline_entry")), table.c.channel == channel, table.c.ts == ts
        )
        with self._database.read() as connection:
            number = connection.execute(query).scalar()
        return None if number is None else incident_id(number)


def _mark(place: str) -> str:
    return f":quote:{place}:"


def _said_of(connection: Connection, incident: Incident, place: str) -> tuple[str, int]:
    """What the keys of entries about a message begin with, and how many there are."""
    table = schema.timeline
    prefix = f"{incident.incident_id}{_mark(place)}"
    query = select(func.count()).where(
        table.c.incident_number == incident_number(incident.incident_id),
        table.c.key.startswith(prefix, autoescape=True),
    )
    return prefix, connection.execute(query).scalar_one()


def _write(
    connection: Connection,
    key: str,
    incident: Incident,
    person: Person,
    kind: str,
    text: str,
    now: float,
    *,
    is_quiet: bool = False,
) -> None:
    entry = TimelineEntry(key, incident.incident_id, now, person.user_id, kind, text, via=person.via)
    write_entry(connection, entry, is_quiet=is_quiet)
