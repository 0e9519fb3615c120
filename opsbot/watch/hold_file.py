"""Keeps hold timers in a small file of their own, written by a thread as soon as one changes.

What is on disk is never older than the last change by more than the time of one write; when all was seen last is
noted every few seconds, so that a restart knows how long nobody watched.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from opsbot.rule.hold import Hold, from_text, to_text
from opsbot.sqlite_file import Schema, SqliteFile, is_damage, move_aside, open_file, stamp

NOTED_EVERY_S = 5.0
MAX_HOLDS = 5_000
"""Of more alerts than that the rest begins anew after a restart."""
CLOSE_LIMIT_S = 5.0
SCHEMA = Schema(
    version=1,
    statements="""
CREATE TABLE hold (rule TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE seen (id INTEGER PRIMARY KEY CHECK (id = 1), at REAL NOT NULL);
""",
)

logger = logging.getLogger(__name__)
_Sign = tuple[object, ...]


@dataclass(slots=True)
class HoldFile:
    """The timers of one watch.

    Args:
        num_failures: times that they could not be written; they are written again with the next change or note.
    """

    path: Path
    num_failures: int = 0
    num_left_out: int = 0
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "holds"))
    _file: SqliteFile | None = None
    _signs: frozenset[_Sign] | None = None
    """Of what is on disk; None while that is not known."""
    _under_way: Future[bool] | None = None
    _noted_at: float = 0.0
    _said: str = ""

    def load(self) -> tuple[list[Hold], float]:
        """The timers as they were, and when they were seen last; none if the file cannot be read."""
        return self._thread.submit(self._load).result()

    def note(self, holds: Sequence[Hold], now: float) -> None:
        """Take note of all timers as they are at *now*; costs nothing while none changed."""
        if self._under_way is not None:
            if not self._under_way.done():
                return
            if not self._under_way.result():
                self._signs = None
            self._under_way = None
        self.num_left_out = max(0, len(holds) - MAX_HOLDS)
        signs = frozenset(map(_sign, holds[:MAX_HOLDS]))
        is_changed = signs != self._signs
        if not is_changed and now - self._noted_at < NOTED_EVERY_S:
            return
        self._noted_at, self._signs = now, signs
        self._under_way = self._thread.submit(self._write, holds[:MAX_HOLDS] if is_changed else None, now)

    def close(self) -> None:
        """Let the last write end, and close."""
        try:
            self._thread.submit(self._close).result(CLOSE_LIMIT_S)
        except TimeoutError:
            logger.error("%s could not be closed in time", self.path)
        self._thread.shutdown(wait=False, cancel_futures=True)

    # From here on everything is the thread's.

    def _load(self) -> tuple[list[Hold], float]:
        try:
            connection = self._opened().connection
            rows = connection.execute("SELECT rule, body FROM hold").fetchall()
            seen = connection.execute("SELECT at FROM seen").fetchone()
        except (OSError, sqlite3.Error) as error:
            self._failed(error)
            return [], 0.0
        found: list[Hold] = []
        for rule, body in rows:
            try:
                found.append(from_text(rule, body))
            except (ValueError, KeyError, TypeError) as error:
                logger.error("%s: a timer of %s cannot be read and begins anew: %r", self.path, rule, error)
        return found, float(seen[0]) if seen is not None else 0.0

    def _write(self, holds: Sequence[Hold] | None, now: float) -> bool:
        """Write all timers anew, or, where none changed, only that they were seen."""
        try:
            connection = self._opened().connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                if holds is not None:
                    connection.execute("DELETE FROM hold")
                    rows = [(hold.rule, to_text(hold)) for hold in holds]
                    connection.executemany("INSERT INTO hold (rule, body) VALUES (?, ?)", rows)
                connection.execute("INSERT OR REPLACE INTO seen (id, at) VALUES (1, ?)", (now,))
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            self._failed(error)
            return False
        except Exception:
            # Whatever it is, rounds go on.
            logger.exception("%s: timers could not be kept", self.path)
            self.num_failures += 1
            return False
        self._said = ""
        return True

    def _opened(self) -> SqliteFile:
        if self._file is None:
            self._file, _ = open_file(self.path, SCHEMA, stamp())
        return self._file

    def _failed(self, error: OSError | sqlite3.Error) -> None:
        self.num_failures += 1
        if str(error) != self._said:
            self._said = str(error)
            logger.error("%s: %s; timers would begin anew after a restart", self.path, error)
        if isinstance(error, sqlite3.Error) and is_damage(error):
            if self._file is not None:
                self._file.close()
            self._file = None
            with contextlib.suppress(OSError):
                move_aside(self.path, stamp())

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _sign(hold: Hold) -> _Sign:
    """What must change for a hold to be written again."""
    active = hold.active
    times = (active.active_since, active.fired_at, active.clear_since)
    return hold.rule, hold.key, active.revision, active.state, times, hold.is_true
