"""Ids of inbound events that were accepted. An id is written in the transaction that accepts its alert, so both are
there or neither is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, desc, func, select
from sqlalchemy.dialects import postgresql, sqlite

from opsbot.alert.alert import Alert
from opsbot.alert.inbound import InboundEvent
from opsbot.store.database import Database
from opsbot.store.schema import inbound_event

INBOUND_KEPT_S = 7 * 24 * 3600.0
"""Longer than any sender repeats: PagerDuty gives up after two days, Datadog after five tries."""
MOST_KEPT = 1_000_000
"""Ids, 150 MB; of more the oldest go first."""


@dataclass(frozen=True, slots=True)
class IngestedEvents:
    """What accepting a webhook did."""

    opened: tuple[str, ...]
    num_duplicates: int


class Claim:
    """Takes the ids of one webhook's events; which alerts are new is known once it was asked in a transaction."""

    def __init__(self, receiver: str, events: Sequence[InboundEvent], now: float) -> None:
        self._receiver = receiver
        self._events = events
        self._now = now
        self.num_duplicates = 0

    def __call__(self, connection: Connection) -> Sequence[Alert]:
        """The alerts whose ids nobody has taken; alerts without an id are always new."""
        new = [event.alert for event in self._events if event.digest is None or self._take(connection, event.digest)]
        self.num_duplicates = len(self._events) - len(new)
        return new

    def _take(self, connection: Connection, digest: str) -> bool:
        return take_id(connection, self._receiver, digest, self._now)


def take_id(connection: Connection, receiver: str, digest: str, now: float) -> bool:
    """Remember an id of *receiver*; answers whether it is new."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = dialect.insert(inbound_event).values(receiver=receiver, digest=digest, at=now)
    return connection.execute(row.on_conflict_do_nothing()).rowcount == 1


class InboundRepository:
    """Keeps the ids small in number."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def is_taken(self, receiver: str, event_id: str) -> bool:
        """Whether an event was carried out before."""
        table = inbound_event
        query = select(table.c.at).where(table.c.receiver == receiver, table.c.digest == _digest(event_id))
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def take(self, receiver: str, event_id: str, now: float) -> bool:
        """Remember that an event was carried out; answers whether it is new."""
        with self._database.write() as connection:
            return take_id(connection, receiver, _digest(event_id), now)

    def forget(self, older_than: float, most: int = MOST_KEPT) -> int:
        """Drop ids from before *older_than*, in seconds since the epoch, and all but the newest *most*; how many."""
        table = inbound_event
        with self._database.write() as connection:
            gone = connection.execute(delete(table).where(table.c.at < older_than)).rowcount
            newest_gone = connection.scalar(select(table.c.at).order_by(desc(table.c.at)).offset(most).limit(1))
            if newest_gone is not None:
                gone += connection.execute(delete(table).where(table.c.at <= newest_gone)).rowcount
            return gone

    def count(self) -> int:
        """How many ids are kept."""
        with self._database.read() as connection:
            return int(connection.scalar(select(func.count()).select_from(inbound_event)) or 0)


def _digest(event_id: str) -> str:
    return hashlib.sha256(event_id.encode()).hexdigest()
