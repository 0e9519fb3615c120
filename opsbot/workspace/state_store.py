"""What the workspace keeps over a restart, in one SQLite file (or in memory): each change is written as it is made.

The file must never stop the workspace: a damaged one is moved aside, and where writing fails the workspace says so once
and goes on in memory.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opsbot.sqlite_file import Schema, SqliteFile, move_aside, open_file, stamp

STATEMENTS = """
CREATE TABLE entry (kind TEXT, key TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE message (channel TEXT, ts TEXT, body TEXT NOT NULL, PRIMARY KEY (channel, ts));
CREATE TABLE content (file TEXT PRIMARY KEY, bytes BLOB NOT NULL);
"""
SCHEMA = Schema(version=1, statements=STATEMENTS)

logger = logging.getLogger(__name__)


class StateStore:
    """Entries by kind and key, messages by channel and time, and the bytes of files. Used by one thread.

    Args:
        path: the file; None for memory. A path that another workspace has is left alone, and memory used.
    """

    def __init__(self, path: Path | None) -> None:
        self._file: SqliteFile | None = None
        self._connection = _in_memory()
        if path is None:
            return
        try:
            self._file = _sound(path)
            self._connection = self._file.connection
        except (OSError, sqlite3.Error) as error:
            logger.error("the workspace keeps nothing over a restart, since %s cannot be used: %s", path, error)

    @property
    def is_lasting(self) -> bool:
        """Whether what is written is there after a restart."""
        return self._file is not None

    def entries(self, kind: str) -> Iterator[tuple[str, Any]]:
        """All entries of a kind, by key."""
        rows = self._read("SELECT key, body FROM entry WHERE kind = ? ORDER BY key", (kind,))
        return ((key, json.loads(body)) for key, body in rows)

    def put(self, kind: str, key: str, body: object) -> None:
        """Write one entry."""
        self._write("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", (kind, key, _text(body)))

    def drop(self, kind: str, key: str) -> None:
        """Remove one entry."""
        self._write("DELETE FROM entry WHERE kind = ? AND key = ?", (kind, key))

    def messages(self, channel: str) -> list[dict[str, Any]]:
        """The messages of a channel, oldest first."""
        rows = self._read("SELECT body FROM message WHERE channel = ? ORDER BY ts", (channel,))
        return [json.loads(body) for (body,) in rows]

    def put_message(self, channel: str, message: dict[str, Any]) -> None:
        """Write one message."""
        self._write("INSERT OR REPLACE INTO message VALUES (?, ?, ?)", (channel, message["ts"], _text(message)))

    def drop_messages(self, channel: str, times: list[str]) -> None:
        """Remove messages."""
        for ts in times:
            self._write("DELETE FROM message WHERE channel = ? AND ts = ?", (channel, ts))

    def content(self, file_id: str) -> bytes | None:
        """The bytes of a file."""
        rows = self._read("SELECT bytes FROM content WHERE file = ?", (file_id,))
        return bytes(rows[0][0]) if rows else None

    def put_content(self, file_id: str, content: bytes) -> None:
        """Write the bytes of a file."""
        self._write("INSERT OR REPLACE INTO content VALUES (?, ?)", (file_id, content))

    def drop_content(self, file_id: str) -> None:
        """Remove the bytes of a file."""
        self._write("DELETE FROM content WHERE file = ?", (file_id,))

    def close(self) -> None:
        """Close the file; another workspace can have it then."""
        if self._file is not None:
            self._file.close()
        else:
            self._connection.close()

    def _read(self, statement: str, values: tuple[object, ...]) -> list[Any]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            self._give_up(error)
            return []

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._connection.execute(statement, values)
        except sqlite3.Error as error:
            self._give_up(error)
            self._connection.execute(statement, values)

    def _give_up(self, error: sqlite3.Error) -> None:
        where = "memory" if self._file is None else self._file.path
        logger.error(
            "%s cannot be used (%s); from now on the workspace keeps what happens in memory only", where, error
        )
        if self._file is not None:
            self._file.close()
        self._file, self._connection = None, _in_memory()


def _sound(path: Path) -> SqliteFile:
    """The file at *path*, a new one if pages of the old one are damaged; that is kept beside it."""
    file, _ = open_file(path, SCHEMA, stamp())
    try:
        (verdict,) = file.connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        verdict = str(error)
    if verdict == "ok":
        return file
    file.close()
    aside = move_aside(path, stamp())
    logger.error("%s is damaged (%s); it is kept as %s, and the workspace begins anew", path, verdict, aside.name)
    return open_file(path, SCHEMA, stamp())[0]


def _in_memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.executescript(STATEMENTS)
    return connection


def _text(body: object) -> str:
    return json.dumps(body, separators=(",", ":"))
