"""How much must still be said, and for how long it has waited: read from the outbox as it is stored."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, case, func, or_, select

from opsbot.notify.outbox import OutboxState
from opsbot.store import schema
from opsbot.store.database import Database


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits.

    Args:
        depth: messages to post or to bring up to date.
        oldest_at: when the oldest of them was wished for, seconds since the epoch; None where nothing waits. An edit
            counts from the incident's last change.
        num_failed: messages that were given up.
    """

    depth: int
    oldest_at: float | None
    num_failed: int


def backlog(database: Database) -> Backlog:
    """What waits now.

    Raises: StoreError.
    """
    outbox, timeline, incident = schema.outbox, schema.timeline, schema.incident
    is_failed = outbox.c.state == OutboxState.FAILED.value
    is_behind = and_(
        ~is_failed, or_(outbox.c.revision > outbox.c.delivered_revision, outbox.c.state == OutboxState.SENDING.value)
    )
    wished_at = func.coalesce(
        timeline.c.at, case((outbox.c.ts.is_(None), incident.c.opened_at), else_=incident.c.updated_at)
    )
    query = (
        select(
            func.count(case((is_behind, 1))),
            func.min(case((is_behind, wished_at))),
            func.count(case((is_failed, 1))),
        )
        .select_from(outbox)
        .outerjoin(timeline, and_(outbox.c.kind == "timeline_entry", timeline.c.key == outbox.c.ref))
        .outerjoin(incident, incident.c.number == outbox.c.incident_number)
        .where(or_(is_failed, is_behind))
    )
    with database.read() as connection:
        depth, oldest_at, num_failed = connection.execute(query).one()
        return Backlog(int(depth), oldest_at, int(num_failed))
