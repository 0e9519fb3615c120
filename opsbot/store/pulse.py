"""Whether the database takes changes, and what of the outbox is behind: the store's side of the heartbeat."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import insert, or_, select, update

from opsbot.notify.outbox import OutboxState
from opsbot.store import schema
from opsbot.store.database import Database

MOST_BEHIND = 1000


class PulseRepository:
    """Writes one row for each core."""

    def __init__(self, database: Database, instance: str) -> None:
        self._database = database
        self._instance = instance

    def beat(self, now: float) -> Mapping[str, int]:
        """Commit a change; answers what waits to be delivered, each with how far it has been delivered.

        What was given up is not among it: it is reported where that happens, and waits for nothing.

        Raises: StoreError.
        """
        table, outbox = schema.heartbeat, schema.outbox
        with self._database.write() as connection:
            mine = table.c.instance == self._instance
            if not connection.execute(update(table).where(mine).values(at=now)).rowcount:
                connection.execute(insert(table).values(instance=self._instance, at=now))
        is_behind = or_(outbox.c.revision > outbox.c.delivered_revision, outbox.c.state == OutboxState.SENDING.value)
        query = (
            select(outbox.c.key, outbox.c.delivered_revision)
            .where(is_behind, outbox.c.state != OutboxState.FAILED.value)
            .order_by(outbox.c.sequence)
            .limit(MOST_BEHIND)
        )
        with self._database.read() as connection:
            return {str(row.key): int(row.delivered_revision) for row in connection.execute(query)}
