"""A SQLite file of a role's own that must never stop it: opened with its schema, and moved aside when it is damaged.

Write-ahead logging: a killed process loses at most what it had not committed. Two processes never share such a file.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

BUSY_TIMEOUT_S = 1.0
MAX_KEPT_ASIDE = 2
"""Damaged files that are kept for people to look at; older ones are removed."""
DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
COMPANIONS = ("", "-wal", "-shm")

logger = logging.getLogger(__name__)


class InUseError(OSError):
    """Another process has the file."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a file has in it.

    Args:
        version: of the statements; a file of another version is moved aside.
        statements: which make an empty file what it should be.
        max_bytes: the file never grows beyond; None for as large as it gets.
    """

    version: int
    statements: str
    max_bytes: int | None = None


@dataclass(slots=True)
class SqliteFile:
    """An open file; used by one thread at a time."""

    path: Path
    connection: sqlite3.Connection
    _lock: int

    def close(self) -> None:
        """Close it; another process can have it then."""
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()
        os.close(self._lock)


def open_file(path: Path, schema: Schema, time_text: str) -> tuple[SqliteFile, Path | None]:
    """Open *path*, made if it is not there; answers also where a damaged one was moved to.

    Args:
        time_text: part of the name of a damaged file, the time for example.
    Raises: OSError (InUseError for another process that has it) or sqlite3.Error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    aside: Path | None = None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUseError(f"{path} is another process's; give each watch a data_dir of its own") from error
        try:
            return SqliteFile(path, _connected(path, schema), lock), None
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            aside = move_aside(path, time_text)
            logger.error("%s cannot be read (%s); it is kept as %s, and a new one begins", path, error, aside.name)
        return SqliteFile(path, _connected(path, schema), lock), aside
    except BaseException:
        os.close(lock)
        raise


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is at fault, and not the disk's room or another process."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, _OtherVersion) or (code is not None and (code & 0xFF) in DAMAGE)


def move_aside(path: Path, time_text: str) -> Path:
    """Give a damaged file another name, and remove those that were moved long ago."""
    kept = path.with_name(f"{path.name}.damaged-{time_text}")
    for suffix in COMPANIONS:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(kept.with_name(kept.name + suffix))
    older = sorted(one for one in path.parent.glob(f"{path.name}.damaged-*") if not one.name.endswith(COMPANIONS[1:]))
    for one in older[:-MAX_KEPT_ASIDE]:
        for suffix in COMPANIONS:
            one.with_name(one.name + suffix).unlink(missing_ok=True)
    return kept


def stamp() -> str:
    """The time, as part of a damaged file's name."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S")


class _OtherVersion(sqlite3.DatabaseError):
    """The file is of another version of opsbot."""


def _connected(path: Path, schema: Schema) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (num_tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if version == 0 and num_tables == 0:
            connection.executescript(f"BEGIN; {schema.statements} PRAGMA user_version = {schema.version}; COMMIT;")
        elif version != schema.version:
            raise _OtherVersion(f"it is of version {version}, not {schema.version}")
        if schema.max_bytes is not None:
            (page_size,) = connection.execute("PRAGMA page_size").fetchone()
            connection.execute(f"PRAGMA max_page_count = {max(1, schema.max_bytes // page_size)}")
    except BaseException:
        connection.close()
        raise
    return connection
