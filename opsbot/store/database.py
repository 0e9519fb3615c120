"""Opens the database, brings its schema up to date, and hands out transactions.

SQLite is set so that what is committed survives power loss, not only a killed process: write-ahead log and a flush
at every commit. Writers of one process take turns, so none ever meets a locked file; a writer has the file to itself
from its first read on, so what it has read is still so when it writes, whichever process writes besides.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from opsbot.errors import OpsbotError

BUSY_TIMEOUT_MS = 5000
MAX_WHY = 200
_NEXT = "try again in a moment, and if it stays so, look at the disk under core's database"
_IS_WRITER = "opsbot_is_writer"
WISHED = "opsbot_wished"
"""Set in a connection's `info` by whoever wishes something said in its transaction."""


class StoreError(OpsbotError):
    """The database cannot be read or written; nothing of the transaction has happened."""


class Database:
    """One database with its schema at the newest version."""

    def __init__(self, url: str) -> None:
        """Open *url*, create or migrate its tables.

        Raises: StoreError.
        """
        self.engine: Engine = create_engine(
            # An error names its statement; what people wrote stands in the parameters, and errors are logged.
            url,
            pool_pre_ping=not url.startswith("sqlite"),
            hide_parameters=True,
        )
        self._writer = threading.RLock()
        self._has_wish: Callable[[], None] = _nothing
        # SQLAlchemy shares pool and events with the engine that it is made from.
        self._writing = self.engine.execution_options(**{_IS_WRITER: True})
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _set_pragmas)
            event.listen(self.engine, "begin", _begin)
        try:
            self._migrate()
        except SQLAlchemyError as error:
            raise StoreError(f"the database {self.engine.url.render_as_string()} cannot be opened: {error}") from error

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self._writing.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def on_wish(self, has_wish: Callable[[], None]) -> None:
        """Call *has_wish* after every commit that wishes something said; from any thread, so it must be quick."""
        self._has_wish = has_wish

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, committed when the block ends; raises StoreError having changed nothing."""
        with self._writer:
            is_wish = False
            try:
                with self._writing.begin() as connection:
                    connection.info.pop(WISHED, None)
                    yield connection
                    is_wish = bool(connection.info.pop(WISHED, False))
            except SQLAlchemyError as error:
                raise StoreError(
                    f"the database did not take a change: {_why(error)}. Nothing of it was done; {_NEXT}",
                    retryable=True,
                ) from error
        if is_wish:
            self._has_wish()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view."""
        try:
            with self.engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreError(f"the database cannot be read: {_why(error)}; {_NEXT}", retryable=True) from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _nothing() -> None:
    pass


def _why(error: SQLAlchemyError) -> str:
    """The database's own words in one line, without the statement: people read them in Slack."""
    told = error.orig if isinstance(error, DBAPIError) and error.orig is not None else type(error).__name__
    return " ".join(str(told).split())[:MAX_WHY]


def _set_pragmas(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    # Python's driver would begin a transaction at the first write only; `_begin` does.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    is_writer = connection.get_execution_options().get(_IS_WRITER, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")
