"""Between rows and values, and the two writes that all share: a timeline entry and the wish to show something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, bindparam, case, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from opsbot.errors import NotFoundError
from opsbot.incident.incident import Hold, HoldKind, Incident, IncidentState
from opsbot.incident.timeline import PAGE_KINDS, TimelineEntry
from opsbot.notify.outbox import OutboxKind, OutboxState
from opsbot.runbook.run import Run, RunState
from opsbot.store import schema
from opsbot.store.database import WISHED

INCIDENT_PREFIX = "INC-"
MOST_CARDS = 5
"""Pages of one incident that are kept up to date; older ones are scrolled away."""


def incident_id(number: int) -> str:
    """`INC-7`."""
    return f"{INCIDENT_PREFIX}{number}"


def incident_number(text: str) -> int:
    """The number in `INC-7`, in any case.

    Raises: NotFoundError if it is no incident id.
    """
    digits = text.upper().removeprefix(INCIDENT_PREFIX)
    if not digits.isdigit():
        raise NotFoundError(f"{text!r} is no incident; they are called {INCIDENT_PREFIX}1, {INCIDENT_PREFIX}2 …")
    return int(digits)


def incident_number_or_none(text: str) -> int | None:
    """The number in `INC-7`; None for what does not begin so."""
    return incident_number(text) if text.upper().startswith(INCIDENT_PREFIX) else None


def to_incident(row: Row[Any]) -> Incident:
    """A row of the incident table as a value."""
    return Incident(
        incident_id=incident_id(row.number),
        fingerprint=row.fingerprint,
        episode=row.episode,
        title=row.title,
        description=row.description,
        severity=row.severity,
        labels=row.labels,
        state=IncidentState(row.state),
        opened_at=row.opened_at,
        updated_at=row.updated_at,
        acknowledged_by=row.acknowledged_by,
        resolved_at=row.resolved_at,
        value=row.value,
        is_blind=row.is_blind,
        lead=row.lead,
        num_alerts=row.num_alerts,
        num_firing=row.num_firing,
        hold=None if row.hold_kind is None else Hold(HoldKind(row.hold_kind), row.hold_reason, row.hold_until),
        merged_into=None if row.merged_into is None else incident_id(row.merged_into),
    )


def to_entry(row: Row[Any]) -> TimelineEntry:
    """A row of the timeline table as a value."""
    return TimelineEntry(
        row.key, incident_id(row.incident_number), row.at, row.actor, row.kind, row.text, row.is_broadcast, row.via
    )


def to_run(row: Row[Any]) -> Run:
    """A row of the run table as a value."""
    return Run(
        run_id=row.run_id,
        incident_id=incident_id(row.incident_number),
        runbook_id=row.runbook_id,
        revision=row.revision,
        runbook_json=row.runbook_json,
        interpreter_version=row.interpreter_version,
        state=RunState(row.state),
        detail=row.detail,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        labels=row.labels,
        requester=row.requester,
        inputs=row.inputs or {},
        is_drill=row.is_drill,
        admitted_at=row.admitted_at,
        deadline=row.deadline,
        paused_by=row.paused_by,
        pause_reason=row.pause_reason,
        follows=row.follows,
        from_step=row.from_step,
        ends_as=None if row.ends_as is None else RunState(row.ends_as),
    )


def get_incident(connection: Connection, number: int) -> Incident:
    """One incident; raises NotFoundError."""
    row = connection.execute(select(schema.incident).where(schema.incident.c.number == number)).first()
    if row is None:
        raise NotFoundError(f"there is no incident {incident_id(number)}")
    return to_incident(row)


_outbox = schema.outbox.c
_WAS_GIVEN_UP = _outbox.state == OutboxState.FAILED.value
_IS_SAID_ELSEWHERE = and_(_outbox.carried_by.is_not(None), _outbox.delivered_revision >= _outbox.revision)
"""It has no message of its own that could be brought up to date."""
_WISH_AGAIN = (
    update(schema.outbox)
    .where(_outbox.key.in_(bindparam("wished", expanding=True)))
    .values(
        revision=case((_IS_SAID_ELSEWHERE, _outbox.revision), else_=_outbox.revision + 1),
        state=case((_WAS_GIVEN_UP, OutboxState.PENDING.value), else_=_outbox.state),
        attempts=case((_WAS_GIVEN_UP, 0), else_=_outbox.attempts),
        next_at=case((_WAS_GIVEN_UP, 0.0), else_=_outbox.next_at),
    )
)
"""Built once: it is made at every commit."""


def insert_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless one with its key is there; answers whether it is new."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).on_conflict_do_nothing()
    return bool(connection.execute(statement, dict(values)).rowcount)


def wish(connection: Connection, key: str, kind: OutboxKind, ref: str, number: int | None) -> None:
    """Something must be shown, or shown anew. A back-off under way is kept; what was given up is tried again."""
    connection.info[WISHED] = True
    if not connection.execute(_WISH_AGAIN, {"wished": [key]}).rowcount:
        connection.execute(insert(schema.outbox), _new_wish(key, kind, ref, number))


def _new_wish(key: str, kind: OutboxKind, ref: str, number: int | None) -> dict[str, Any]:
    return {
        "key": key,
        "kind": kind,
        "ref": ref,
        "incident_number": number,
        "revision": 1,
        "delivered_revision": 0,
        "state": OutboxState.PENDING.value,
        "attempts": 0,
        "next_at": 0.0,
    }


def wish_incident(connection: Connection, number: int) -> None:
    """An incident's message must be brought up to date."""
    connection.info[WISHED] = True
    # Where it pages, what the pager knows follows from the same state.
    keys = [f"incident:{incident_id(number)}", f"page:{incident_id(number)}"]
    if not connection.execute(_WISH_AGAIN, {"wished": keys}).rowcount:
        values = _new_wish(keys[0], "incident_message", incident_id(number), number)
        connection.execute(insert(schema.outbox), values)


def wish_page(connection: Connection, number: int) -> None:
    """The pager must know what an incident is by now."""
    wish(connection, f"page:{incident_id(number)}", "page", incident_id(number), number)


def wish_page_cards(connection: Connection, number: int) -> None:
    """What is said of an incident's pages must follow its state."""
    outbox, timeline = schema.outbox, schema.timeline
    newest = (
        select(outbox.c.key)
        .join(timeline, timeline.c.key == outbox.c.ref)
        .where(
            outbox.c.incident_number == number,
            outbox.c.kind == "timeline_entry",
            outbox.c.ts.is_not(None),
            timeline.c.kind.in_(PAGE_KINDS),
        )
        .order_by(outbox.c.sequence.desc())
        .limit(MOST_CARDS)
    )
    keys = list(connection.execute(newest).scalars())
    if keys:
        connection.execute(_WISH_AGAIN, {"wished": keys})


def wish_entry_pages(connection: Connection, number: int) -> None:
    """Pages about single timeline entries of an incident must be looked at again: it is over."""
    table = schema.outbox
    there = select(table.c.key, table.c.ref).where(table.c.incident_number == number, table.c.kind == "page_entry")
    for row in connection.execute(there).all():
        wish(connection, row.key, "page_entry", row.ref, number)


def write_entry(
    connection: Connection, entry: TimelineEntry | None, *, is_quiet: bool = False, is_part: bool = False
) -> None:
    """Append to the timeline, once for each key, and wish it shown; a quiet one is not posted.

    Args:
        is_part: of a change whose writer wishes the incident shown, once for all.
    """
    if entry is None:
        return
    number = incident_number(entry.incident_id)
    row = {
        "key": entry.key,
        "incident_number": number,
        "at": entry.at,
        "actor": entry.actor,
        "kind": entry.kind,
        "text": entry.text,
        "is_broadcast": entry.is_broadcast,
        "via": entry.via,
    }
    if not insert_new(connection, schema.timeline, row):
        return
    if not is_quiet:
        connection.info[WISHED] = True
        wished = _new_wish(f"timeline:{entry.key}", "timeline_entry", entry.key, number)
        if not insert_new(connection, schema.outbox, wished):
            wish(connection, wished["key"], "timeline_entry", entry.key, number)
    if not is_part:
        wish_incident(connection, number)
