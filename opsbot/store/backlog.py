"""How much must still be said, and for how long it has waited: read from the outbox as it is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import and_, case, func, or_, select

from opsbot.notify.lag import Lag
from opsbot.notify.outbox import SLACK_KINDS, OutboxKind, OutboxState
from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.outbox import IS_BEHIND, SINCE, facts


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits.

    Args:
        depth: messages to post or to bring up to date.
        oldest_at: when the oldest of them was wished for, seconds since the epoch; None where nothing waits. An edit
            counts from the incident's last change.
        num_failed: messages that were given up.
        by_state: how many of the outbox's items wait to be posted or edited (`pending`), were begun (`sending`),
            were given up (`failed`).
    """

    depth: int
    oldest_at: float | None
    num_failed: int
    by_state: Mapping[str, int] = field(default_factory=dict)


def backlog(database: Database, kinds: Sequence[OutboxKind] | None = None) -> Backlog:
    """What waits now, of these *kinds* or of all.

    Raises: StoreError.
    """
    outbox = schema.outbox
    is_failed = outbox.c.state == OutboxState.FAILED.value
    is_begun = outbox.c.state == OutboxState.SENDING.value
    is_behind = and_(IS_BEHIND, ~is_failed)
    query = (
        select(
            func.count(case((is_behind, 1))),
            func.min(case((is_behind, SINCE))),
            func.count(case((is_failed, 1))),
            func.count(case((and_(is_behind, is_begun), 1))),
        )
        .select_from(facts())
        .where(or_(IS_BEHIND, is_failed))
    )
    if kinds is not None:
        query = query.where(outbox.c.kind.in_(kinds))
    with database.read() as connection:
        depth, oldest_at, num_failed, num_begun = connection.execute(query).one()
    states = {
        OutboxState.PENDING.value: int(depth) - int(num_begun),
        OutboxState.SENDING.value: int(num_begun),
        OutboxState.FAILED.value: int(num_failed),
    }
    return Backlog(int(depth), oldest_at, int(num_failed), states)


def lag_of(database: Database, now: float) -> Lag:
    """How far behind Slack is, as far as the outbox tells; the delivery knows why.

    Raises: StoreError.
    """
    waits = backlog(database, SLACK_KINDS)
    oldest_s = 0.0 if waits.oldest_at is None else max(0.0, now - waits.oldest_at)
    return Lag(waits.depth, oldest_s, waits.num_failed, waits.by_state)
