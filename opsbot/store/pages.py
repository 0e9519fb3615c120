"""Pages as rows of the outbox: what the pager was sent last, what it has not taken, and what Slack has not said."""

from __future__ import annotations

from collections.abc import Sequence, Set

from sqlalchemy import Connection, and_, func, or_, select, update

from opsbot.alert.alert import Severity
from opsbot.incident.incident import IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.notify.outbox import OutboxState
from opsbot.notify.overdue import LAPSED, NEVER_SENT, SLACK_PAGE, WAKING, Unheard, Untaken
from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.rows import incident_id, incident_number, wish, wish_page, write_entry

MOST_LATE = 200
MOST_UNHEARD = 1000


class PageRepository:
    """Every method that changes something commits before it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def forget_sent(self, text: str) -> None:
        """The pager no longer knows of an incident; it is told again, and paged if it still has to be."""
        number = incident_number(text)
        with self._database.write() as connection:
            _set_sent(connection, number, "resolve")
            wish_page(connection, number)

    def page_now(self, note: TimelineEntry) -> bool:
        """Have the pager page for the entry's incident whatever its severity, and write the entry; once for its key.

        Returns: whether the incident still wakes somebody; not if it is over or somebody has it.
        """
        number = incident_number(note.incident_id)
        incident, outbox = schema.incident, schema.outbox
        with self._database.write() as connection:
            row = connection.execute(select(incident).where(incident.c.number == number)).one()
            is_open = row.state == IncidentState.OPEN.value and row.merged_into is None
            timeline = schema.timeline
            is_done = connection.execute(select(timeline.c.key).where(timeline.c.key == note.key)).first() is not None
            if is_done or not is_open:
                return is_open
            write_entry(connection, note)
            wish_page(connection, number)
            # As if the pager had forgotten it: it is then told again, whatever the severity; one that it has is left.
            connection.execute(
                update(outbox)
                .where(
                    outbox.c.key == f"page:{incident_id(number)}",
                    or_(outbox.c.ts.is_(None), outbox.c.ts.not_like("trigger%")),
                )
                .values(ts="resolve")
            )
            return True

    def told(self, text: str, sent: str) -> None:
        """The pager knows *sent* of an incident without having been sent it; nothing where it was never paged."""
        with self._database.write() as connection:
            _set_sent(connection, incident_number(text), sent)

    def untaken(self, paged: Set[Severity]) -> Sequence[Untaken]:
        """Pages that were never taken, of open incidents with one of *paged*, oldest first."""
        outbox, incident = schema.outbox, schema.incident
        query = (
            select(outbox.c.incident_number, incident.c.opened_at, outbox.c.last_error, outbox.c.state)
            .select_from(outbox)
            .join(incident, incident.c.number == outbox.c.incident_number)
            .where(
                outbox.c.kind == "page",
                or_(outbox.c.ts.is_(None), outbox.c.ts == NEVER_SENT),
                incident.c.state == IncidentState.OPEN.value,
                incident.c.merged_into.is_(None),
                incident.c.severity.in_(sorted(paged)),
            )
            .order_by(incident.c.number)
            .limit(MOST_LATE)
        )
        with self._database.read() as connection:
            return [
                Untaken(
                    incident_id(row.incident_number),
                    row.opened_at,
                    row.last_error or "",
                    row.state == OutboxState.FAILED.value,
                )
                for row in connection.execute(query)
            ]

    def unheard(self, since_before: float) -> Unheard:
        """What Slack was to say before then, of open incidents that nobody has and no page tells of.

        That is an incident's own message, or a reply that the whole channel is to see; what was given up too.
        """
        outbox, incident, timeline = schema.outbox, schema.incident, schema.timeline
        page = outbox.alias("page")
        is_unsaid = or_(outbox.c.revision > outbox.c.delivered_revision, outbox.c.state == OutboxState.FAILED.value)
        since = func.coalesce(timeline.c.at, incident.c.opened_at)
        query = (
            select(incident.c.number, since)
            .select_from(outbox)
            .join(incident, incident.c.number == outbox.c.incident_number)
            .outerjoin(timeline, and_(outbox.c.kind == "timeline_entry", timeline.c.key == outbox.c.ref))
            .outerjoin(page, and_(page.c.kind == "page", page.c.incident_number == outbox.c.incident_number))
            .where(
                incident.c.state == IncidentState.OPEN.value,
                incident.c.acknowledged_by.is_(None),
                incident.c.merged_into.is_(None),
                incident.c.severity.in_(WAKING),
                is_unsaid,
                outbox.c.ts.is_(None),
                or_(outbox.c.kind == "incident_message", timeline.c.is_broadcast),
                since <= since_before,
                or_(page.c.ts.is_(None), page.c.ts.not_like("trigger%")),
            )
            .order_by(since)
            .limit(MOST_UNHEARD)
        )
        with self._database.read() as connection:
            return Unheard.of([(incident_id(number), at) for number, at in connection.execute(query)])

    def wish_slack_page(self) -> None:
        """What the pager knows of Slack must be looked at again."""
        with self._database.write() as connection:
            wish(connection, f"page:{SLACK_PAGE}", "page", SLACK_PAGE, None)

    def has_slack_page(self) -> bool:
        """Whether the pager was ever to be told of Slack."""
        query = select(schema.outbox.c.key).where(schema.outbox.c.key == f"page:{SLACK_PAGE}")
        with self._database.read() as connection:
            return connection.execute(query).first() is not None


def acknowledge_again(connection: Connection, number: int) -> bool:
    """Have the pager told anew that somebody has an incident, where it has forgotten that; answers whether it had."""
    outbox = schema.outbox
    changed = connection.execute(
        update(outbox)
        .where(outbox.c.key == f"page:{incident_id(number)}", outbox.c.ts.like(f"{LAPSED}%"))
        .values(ts=LAPSED)
    )
    if not changed.rowcount:
        return False
    wish_page(connection, number)
    return True


def _set_sent(connection: Connection, number: int, sent: str) -> None:
    key = f"page:{incident_id(number)}"
    connection.execute(update(schema.outbox).where(schema.outbox.c.key == key).values(ts=sent))
