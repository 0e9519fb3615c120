"""Approvals with their votes, and announcements: what people decide about a run's steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from opsbot.errors import ApprovalError, NotFoundError
from opsbot.incident.handle import PREFIX as RUN_PREFIX
from opsbot.incident.timeline import TimelineEntry
from opsbot.people import Person
from opsbot.runbook.store import AnnouncementRow, AnnouncementState, ApprovalRow
from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.rows import incident_id, incident_number, wish, wish_incident, write_entry
from opsbot.store.run_names import find_run

MIN_PREFIX = 8
"""`apr-` and four digits: what somebody must type of an id at least."""


class ApprovalRepository:
    """What people decide, each in one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def approval(self, approval_id: str) -> ApprovalRow:
        """One approval; raises NotFoundError."""
        with self._database.read() as connection:
            return get_approval(connection, approval_id)

    def find(self, text: str) -> ApprovalRow:
        """The approval with that id, or the only one whose id begins so, or that a run so named asks for now.

        Raises: NotFoundError.
        """
        with self._database.read() as connection:
            if text.strip().lower().startswith(RUN_PREFIX):
                return get_approval(connection, _asked_by(connection, text.strip()))
            return get_approval(connection, _named(connection, schema.approval.c.approval_id, text, "approval"))

    def find_announcement(self, text: str) -> AnnouncementRow:
        """The announcement with that id, or the only one whose id begins so; raises NotFoundError."""
        with self._database.read() as connection:
            column = schema.announcement.c.announcement_id
            return get_announcement(connection, _named(connection, column, text, "announcement"))

    def announcement(self, announcement_id: str) -> AnnouncementRow:
        """One announcement; raises NotFoundError."""
        with self._database.read() as connection:
            return get_announcement(connection, announcement_id)

    def decide(
        self,
        approval_id: str,
        *,
        is_granted: bool,
        person: Person,
        now: float,
        entry: TimelineEntry | None = None,
        glass_reason: str | None = None,
        more: Sequence[TimelineEntry] = (),
        is_paged: bool = False,
    ) -> ApprovalRow:
        """Vote on an open approval; the same vote of the same person again answers the same.

        One refusal refuses. It is granted when as many people as it needs have granted it, or at once by a commander
        who gives a *glass_reason*.

        Args:
            more: further entries of what is decided now; is_paged: *entry* is also a page of its own.

        Raises: ApprovalError if it expired or was decided otherwise, or the person may not; NotFoundError.
        """
        wanted = "granted" if is_granted else "refused"
        with self._database.write() as connection:
            row = get_approval(connection, approval_id)
            if row.state == wanted and person.user_id in (row.decided_by, *row.granted_by):
                return row
            if row.state in ("granted", "refused"):
                raise ApprovalError(f"{mention(row.decided_by)} has {row.state} this already")
            if row.state == "expired" or (now >= row.expires_at and not _stands_still(connection, row)):
                raise ApprovalError("this approval has expired; nothing was done")
            if is_granted and row.excluded == person.user_id and glass_reason is None:
                raise ApprovalError("you asked for this run, so somebody else must approve this step")
            if is_granted and glass_reason is None:
                if person.user_id in row.granted_by:
                    return row
                connection.execute(
                    insert(schema.approval_vote).values(
                        approval_id=approval_id, user_id=person.user_id, at=now, via=person.via
                    )
                )
                wish_incident(connection, incident_number(row.incident_id))
                write_entry(connection, entry)
                if len(row.granted_by) + 1 < row.count:
                    return get_approval(connection, approval_id)
            _set(connection, row, state=wanted, decided_by=person.user_id, decided_at=now, glass_reason=glass_reason)
            for one in (entry, *more):
                write_entry(connection, one)
            if entry is not None and is_paged:
                wish(connection, f"page_entry:{entry.key}", "page_entry", entry.key, incident_number(row.incident_id))
            return get_approval(connection, approval_id)

    def answer_announcement(
        self,
        announcement_id: str,
        state: AnnouncementState,
        person: Person,
        reason: str | None,
        now: float,
        entry: TimelineEntry,
    ) -> AnnouncementRow:
        """Object to an open announcement, or say that it should be made now; the same again answers the same.

        Raises: ApprovalError if it was decided otherwise; NotFoundError.
        """
        with self._database.write() as connection:
            row = get_announcement(connection, announcement_id)
            if row.state == state and row.decided_by == person.user_id:
                return row
            _still_open(row, now)
            _set_announcement(
                connection, row, state=state, decided_by=person.user_id, decided_at=now, reason=reason, entry=entry
            )
            return get_announcement(connection, announcement_id)

    def offer_capacity(self, announcement_id: str, person: Person, now: float, entry: TimelineEntry) -> AnnouncementRow:
        """Offer capacity: the first offer doubles what is left of the countdown; each person's counts once.

        Raises: ApprovalError if the announcement is over; NotFoundError.
        """
        with self._database.write() as connection:
            row = get_announcement(connection, announcement_id)
            if person.user_id in row.offers:
                return row
            _still_open(row, now)
            ends_at = row.ends_at
            if not row.offers and ends_at is not None:
                ends_at += row.countdown_s
            _set_announcement(connection, row, offers=[*row.offers, person.user_id], ends_at=ends_at, entry=entry)
            return get_announcement(connection, announcement_id)


def _asked_by(connection: Connection, text: str) -> str:
    """The id of the only open approval of a run."""
    run_id = find_run(connection, text).run_id
    table = schema.approval
    query = select(table.c.approval_id).where(table.c.run_id == run_id, table.c.state == "open")
    ids = [str(one) for one in connection.execute(query).scalars()]
    if len(ids) == 1:
        return ids[0]
    if ids:
        raise NotFoundError(f"{text} asks for several approvals; say which: {', '.join(ids)}")
    raise NotFoundError(f"{text} asks for no approval now; `opsbot runs` lists what is asked")


def _named(connection: Connection, column: Any, text: str, what: str) -> str:
    """The id that *text* is, or begins, where that is only one."""
    word = text.strip()
    if len(word) < MIN_PREFIX:
        raise NotFoundError(f"there is no {what} {word!r}; `opsbot runs` lists what is asked, with ids")
    found = connection.execute(select(column).where(column.startswith(word, autoescape=True)).limit(3))
    ids = [str(one) for one in found.scalars()]
    if word in ids or len(ids) == 1:
        return word if word in ids else ids[0]
    if ids:
        raise NotFoundError(f"{word} may mean several {what}s: {', '.join(ids)}")
    raise NotFoundError(f"there is no {what} {word!r}; `opsbot runs` lists what is asked, with ids")


def _stands_still(connection: Connection, row: ApprovalRow) -> bool:
    """Whether the time for it does not run, since the run was paused before it was over."""
    at = connection.execute(select(schema.run.c.paused_at).where(schema.run.c.run_id == row.run_id)).scalar()
    return at is not None and float(at) < row.expires_at


def _still_open(row: AnnouncementRow, now: float) -> None:
    if row.state != "open":
        by = f" by {mention(row.decided_by)}" if row.decided_by else ""
        raise ApprovalError(f"this announcement was decided already{by} ({row.state})")
    if row.ends_at is not None and now >= row.ends_at:
        raise ApprovalError("the countdown is over; Undo takes it back")


def ask(connection: Connection, approval: ApprovalRow) -> None:
    """Ask; asking again with the same id changes nothing."""
    table = schema.approval
    known = connection.execute(select(table.c.state).where(table.c.approval_id == approval.approval_id)).first()
    if known is None:
        values = asdict(approval)
        del values["granted_by"]
        connection.execute(insert(table).values(incident_number=incident_number(values.pop("incident_id")), **values))


def announce(connection: Connection, row: AnnouncementRow) -> None:
    """Announce; announcing again with the same id changes nothing."""
    table = schema.announcement
    known = connection.execute(select(table.c.state).where(table.c.announcement_id == row.announcement_id)).first()
    if known is None:
        values = asdict(row)
        values["offers"] = list(row.offers)
        connection.execute(insert(table).values(incident_number=incident_number(values.pop("incident_id")), **values))


def close(connection: Connection, approval_id: str, now: float, entry: TimelineEntry | None) -> ApprovalRow:
    """End an open approval without a decision of its people; a decided one is answered as it is."""
    row = get_approval(connection, approval_id)
    if row.state != "open":
        return row
    _set(connection, row, state="expired", decided_by=None, decided_at=now)
    write_entry(connection, entry)
    return get_approval(connection, approval_id)


def put_announcement(
    connection: Connection, was: AnnouncementRow, row: AnnouncementRow, entry: TimelineEntry | None
) -> AnnouncementRow:
    """Write an announcement's delivery, countdown or end; where somebody spoke meanwhile it is answered as it is."""
    current = get_announcement(connection, row.announcement_id)
    if current.state != "open" or current != was:
        return current
    _set_announcement(
        connection,
        row,
        state=row.state,
        paged_at=row.paged_at,
        delivered_at=row.delivered_at,
        delivered_by=row.delivered_by,
        ends_at=row.ends_at,
        entry=entry,
    )
    return get_announcement(connection, row.announcement_id)


def get_approval(connection: Connection, approval_id: str) -> ApprovalRow:
    """One approval; raises NotFoundError."""
    row = connection.execute(select(schema.approval).where(schema.approval.c.approval_id == approval_id)).first()
    if row is None:
        raise NotFoundError(f"there is no approval {approval_id!r}")
    return to_approval(connection, row)


def get_announcement(connection: Connection, announcement_id: str) -> AnnouncementRow:
    """One announcement; raises NotFoundError."""
    table = schema.announcement
    row = connection.execute(select(table).where(table.c.announcement_id == announcement_id)).first()
    if row is None:
        raise NotFoundError(f"there is no announcement {announcement_id!r}")
    return to_announcement(row)


def to_approval(connection: Connection, row: Row[Any]) -> ApprovalRow:
    """A row of the approval table, with its votes, as a value."""
    values = dict(row._mapping)
    table = schema.approval_vote
    query = select(table.c.user_id).where(table.c.approval_id == row.approval_id).order_by(table.c.at, table.c.user_id)
    granted = tuple(str(user) for user in connection.execute(query).scalars())
    return ApprovalRow(incident_id=incident_id(values.pop("incident_number")), granted_by=granted, **values)


def to_announcement(row: Row[Any]) -> AnnouncementRow:
    """A row of the announcement table as a value."""
    values = dict(row._mapping)
    values["offers"] = tuple(values["offers"])
    return AnnouncementRow(incident_id=incident_id(values.pop("incident_number")), **values)


def mention(user_id: str | None) -> str:
    """How a person is named in a sentence."""
    if user_id is None:
        return "somebody"
    return user_id if user_id.startswith("cli:") else f"<@{user_id}>"


def _set(connection: Connection, row: ApprovalRow, **values: Any) -> None:
    table = schema.approval
    connection.execute(update(table).where(table.c.approval_id == row.approval_id).values(**values))
    wish_incident(connection, incident_number(row.incident_id))


def _set_announcement(
    connection: Connection, row: AnnouncementRow, *, entry: TimelineEntry | None, **values: Any
) -> None:
    table = schema.announcement
    connection.execute(update(table).where(table.c.announcement_id == row.announcement_id).values(**values))
    write_entry(connection, entry)
    wish_incident(connection, incident_number(row.incident_id))
