"""What must be said in the channel and belongs to no incident; written in the transaction of what it is about."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from opsbot.incident.timeline import TimelineEntry
from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.rows import wish


class NoticeRepository:
    """Reads and writes notices."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def notice(self, key: str) -> TimelineEntry | None:
        """One notice, in a timeline entry's form."""
        with self._database.read() as connection:
            row = connection.execute(select(schema.notice).where(schema.notice.c.key == key)).first()
        if row is None:
            return None
        return TimelineEntry(row.key, "", row.at, row.actor, "notice", row.text)

    def say(self, key: str, text: str, at: float) -> None:
        """Say *text* in the channel, once for each *key*."""
        with self._database.write() as connection:
            write_notice(connection, key, text, "opsbot", at)


def write_notice(connection: Connection, key: str, text: str, actor: str, at: float) -> None:
    """Say *text* in the channel, once for each *key*; *actor*'s id in the text becomes a mention."""
    table = schema.notice
    if connection.execute(select(table.c.key).where(table.c.key == key)).first() is not None:
        return
    connection.execute(insert(table).values(key=key, text=text, actor=actor, at=at))
    wish(connection, f"notice:{key}", "notice", key, None)
