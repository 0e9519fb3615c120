"""Pages as rows of the outbox: what the pager was sent last, and how to make it forget that."""

from __future__ import annotations

from sqlalchemy import update

from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.rows import incident_id, incident_number, wish_page


class PageRepository:
    """Every method commits before it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def forget_sent(self, text: str) -> None:
        """The pager no longer knows of an incident; it is told again, and paged if it still has to be."""
        number = incident_number(text)
        with self._database.write() as connection:
            connection.execute(
                update(schema.outbox).where(schema.outbox.c.key == f"page:{incident_id(number)}").values(ts="resolve")
            )
            wish_page(connection, number)
