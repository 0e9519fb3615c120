"""The real store of one test: SQLite in a folder, migrated once, and what runs need of it with a short memory.

Nothing here must survive power loss, so nothing is flushed. What was read is remembered until somebody writes: in
virtual time the bot looks at its store more often than anything changes.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, event

from opsbot.store.database import Database
from opsbot.store.runs import RunRepository
from opsbot.testing.crash import Deaths

FILE = "opsbot.sqlite"
_READS = frozenset({"queued", "run", "case", "halt", "unfinished", "steps", "approval", "announcement", "incident"})


@cache
def _template() -> bytes:
    """An empty database at the newest version: migrating takes longer than most tests."""
    with tempfile.TemporaryDirectory(prefix="opsbot-test-") as folder:
        path = Path(folder) / FILE
        Database(f"sqlite:///{path}").close()
        return path.read_bytes()


class QuickDatabase(Database):
    """A database that counts its writes, and tells of each."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self.version = 0
        self.on_write: Callable[[], None] = lambda: None
        super().__init__(f"sqlite:///{self._path}")

    def empty(self) -> None:
        """Forget everything."""
        self.close()
        self._path.write_bytes(_template())
        self.version += 1

    def _migrate(self) -> None:
        event.listen(self.engine, "connect", _unflushed)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, counted when it is committed."""
        with super().write() as connection:
            yield connection
        self.version += 1
        self.on_write()


def _unflushed(connection: Any, record: object) -> None:
    for pragma in ("synchronous=OFF", "journal_mode=MEMORY", "locking_mode=EXCLUSIVE"):
        connection.execute(f"PRAGMA {pragma}")


class TestedStore:
    """Implements RunStore; the process may die after each write."""

    def __init__(self, runs: RunRepository, database: QuickDatabase, deaths: Deaths, *, is_slack_down: bool) -> None:
        self._runs = runs
        self._database = database
        self._deaths = deaths
        self._is_slack_down = is_slack_down
        self._paged: set[str] = set()
        self._known: dict[tuple[object, ...], object] = {}
        self._version = -1

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in _READS:
            return self._writing(name, getattr(self._runs, name))
        return self._reading(name, getattr(self._runs, name))

    def delivery(self, entry_key: str) -> Literal["slack", "page"] | None:
        """Slack delivers at once; where it is down, whatever was paged is read there."""
        if not self._is_slack_down:
            return "slack"
        return "page" if entry_key in self._paged else None

    def page_entry(self, entry: Any) -> bool:
        """There is a pager."""
        self._paged.add(entry.key)
        self._deaths.after(f"page {entry.key}")
        return True

    def _reading(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def read(*arguments: object) -> object:
            self._deaths.alive()
            if self._version != self._database.version:
                self._known.clear()
                self._version = self._database.version
            key = (name, *arguments)
            if key not in self._known:
                self._known[key] = method(*arguments)
            return self._known[key]

        return read

    def _writing(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: object, **named: object) -> object:
            self._deaths.alive()
            before = self._database.version
            answer = method(*arguments, **named)
            if self._database.version != before and name != "admit":
                self._deaths.after(f"{name} {arguments} {named}")
            return answer

        return write


_idle: list[QuickDatabase] = []
"""Databases that no test uses now: SQLAlchemy compiles each statement once for each, which takes longer than to run."""


@contextmanager
def quick_database() -> Iterator[QuickDatabase]:
    """An empty database of one's own."""
    database = _idle.pop() if _idle else QuickDatabase(_folder())
    database.empty()
    try:
        yield database
    finally:
        database.close()
        _idle.append(database)


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="opsbot-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
