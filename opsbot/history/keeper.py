"""Keeps the history from a thread of its own: what is taken waits in memory, is written each minute, and can be read.

Nothing that goes wrong with the file stops watching. A damaged file is moved aside; while the disk is full, samples
wait up to a limit and are counted when they are given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from opsbot.errors import SourceError
from opsbot.history.file import Batch, HistoryFile, Limits
from opsbot.history.level import FINE, Level
from opsbot.promql.block import Block, joined
from opsbot.promql.matcher import Matchers
from opsbot.promql.reach import RAW_S
from opsbot.sqlite_file import is_damage, move_aside, stamp

WRITE_EVERY_S = 60.0
FORGET_EVERY_S = 600.0
TELL_EVERY_S = 3600.0
MAX_WAITING_SAMPLES = 1_000_000
"""Of what could not be written yet: 8 MB; a quarter of an hour of 11,000 series."""
CLOSE_LIMIT_S = 10.0

logger = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(slots=True)
class HistoryCounts:
    """What the history tells of itself.

    Args:
        num_written: samples.
        num_given_up: samples that waited too long for the disk, or came from where a damaged file was moved.
        num_failures: times that writing did not work.
        num_damaged: parts of the file, and files, that could not be read.
        num_refused: series beyond the limit, each time that they were seen.
    """

    num_written: int = 0
    num_given_up: int = 0
    num_failures: int = 0
    num_damaged: int = 0
    num_refused: int = 0
    num_series: int = 0
    num_bytes: int = 0
    num_cut: int = 0


@dataclass(slots=True)
class HistoryKeeper:
    """The history of one watch.

    Args:
        path: its file.
    """

    path: Path
    limits: Limits
    counts: HistoryCounts = field(default_factory=HistoryCounts)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "history"))
    _file: HistoryFile | None = None
    _waiting: deque[Batch] = field(default_factory=deque)
    _num_waiting: int = 0
    _under_way: Future[list[Batch]] | None = None
    _write_at: float = 0.0
    _forgot_at: float = 0.0
    _said: str = ""
    _told_refused: int = 0
    _told_at: float = 0.0

    def take(self, batches: Iterable[Batch]) -> None:
        """Take thinned samples of the fine level; they are written soon."""
        for batch in batches:
            self._waiting.append(batch)
            self._num_waiting += batch.block.values.size
        while self._num_waiting > MAX_WAITING_SAMPLES:
            gone = self._waiting.popleft().block.values.size
            self._num_waiting -= gone
            self.counts.num_given_up += gone

    def turn(self, now: float) -> None:
        """Write and tidy in the thread if it is time to; call it often, it costs nothing."""
        if self._under_way is not None:
            if not self._under_way.done():
                return
            left, self._under_way = self._under_way.result(), None
            self._waiting.extendleft(reversed(left))
            self._num_waiting += sum(batch.block.values.size for batch in left)
            self.take(())
        if now >= self._write_at:
            self._write_at = now + WRITE_EVERY_S
            self._under_way = self._thread.submit(self._work, self._taken(), now)

    async def written(self, now: float) -> None:
        """Write what waits now, so that it can be read."""
        left = await asyncio.wrap_future(self._under_way) if self._under_way is not None else []
        self._under_way = self._thread.submit(self._work, [*left, *self._taken()], now)
        await asyncio.wrap_future(self._under_way)

    async def recent(self, now: float) -> list[tuple[str, Block]]:
        """What is kept of the last 15 minutes, by sheet; empty if the file cannot be read."""
        try:
            return await self.read((), FINE, now - RAW_S, now)
        except SourceError:
            return []

    async def read(self, matchers: Matchers, level: Level, start_s: float, end_s: float) -> list[tuple[str, Block]]:
        """The samples of the series that all matchers accept, by their sheets' keys.

        Raises: QueryError if that is too much, SourceError if the file cannot be read.
        """
        return await self._asked(lambda file: file.read(matchers, level, start_s, end_s))

    def close(self, now: float) -> None:
        """Write what waits, and close; takes no longer than it must."""
        try:
            left = self._under_way.result(CLOSE_LIMIT_S) if self._under_way is not None else []
            self._thread.submit(self._last_work, [*left, *self._taken()], now).result(CLOSE_LIMIT_S)
        except TimeoutError:
            logger.error("%s: the last minute could not be written in time", self.path)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _taken(self) -> list[Batch]:
        batches = list(self._waiting)
        self._waiting.clear()
        self._num_waiting = 0
        return batches

    async def _asked(self, question: Callable[[HistoryFile], _T]) -> _T:
        def ask() -> _T:
            try:
                return question(self._opened())
            except (OSError, sqlite3.Error) as error:
                self._failed(error, None)
                raise SourceError(f"the history {self.path} cannot be read: {error}", retryable=True) from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, ask)

    # From here on everything is the thread's.

    def _work(self, batches: list[Batch], now: float) -> list[Batch]:
        """Write, tidy, forget; answers what could not be written."""
        try:
            file = self._opened()
            self.counts.num_written += file.write(_merged(batches))
            batches = []
            file.tidy(now)
            if now - self._forgot_at >= FORGET_EVERY_S:
                self._forgot_at = now
                file.forget(now)
            self._count(file, now)
        except (OSError, sqlite3.Error) as error:
            self._failed(error, now)
        except Exception:
            # Whatever it is, rounds go on; these samples would fail again.
            logger.exception("%s: some samples could not be kept", self.path)
            self.counts.num_failures += 1
            self.counts.num_given_up += sum(batch.block.values.size for batch in batches)
            batches = []
        else:
            if self._said:
                logger.info("%s is written again", self.path)
            self._said = ""
        return batches

    def _last_work(self, batches: list[Batch], now: float) -> None:
        self._work(batches, now)
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> HistoryFile:
        if self._file is None:
            self._file = HistoryFile(self.path, self.limits, stamp())
            self.counts.num_damaged += self._file.moved_aside is not None
        return self._file

    def _failed(self, error: OSError | sqlite3.Error, now: float | None) -> None:
        self.counts.num_failures += 1
        if str(error) != self._said:
            self._said = str(error)
            logger.error("%s: %s; watching goes on, and what is not kept is counted", self.path, _advice(error))
        file = self._file
        if isinstance(error, sqlite3.Error) and is_damage(error):
            self._file = None
            if file is not None:
                file.close()
            with contextlib.suppress(OSError):
                aside = move_aside(self.path, stamp())
                logger.error("%s is kept as %s, and a new one begins", self.path, aside.name)
            self.counts.num_damaged += 1
        elif file is not None and now is not None:
            # At its own limit the oldest samples make room.
            with contextlib.suppress(sqlite3.Error):
                file.forget(now)

    def _count(self, file: HistoryFile, now: float) -> None:
        counts = self.counts
        counts.num_series, counts.num_bytes, counts.num_cut = file.num_series, file.num_bytes, file.num_cut
        counts.num_refused = file.num_refused
        if file.num_refused > self._told_refused and now - self._told_at >= TELL_EVERY_S:
            self._told_at, self._told_refused = now, file.num_refused
            logger.warning(
                "the history holds %d series and takes no new ones, most of them of %s: %d were refused",
                file.num_series, file.most_refused, file.num_refused,
            )  # fmt: skip


def _merged(batches: Iterable[Batch]) -> list[Batch]:
    """One batch for each sheet."""
    blocks: dict[str, list[Block]] = {}
    for batch in batches:
        blocks.setdefault(batch.key, []).append(batch.block)
    return [Batch(key, joined(parts)) for key, parts in blocks.items()]


def _advice(error: OSError | sqlite3.Error) -> str:
    if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return f"{error}: make room on the disk, or raise history.max_bytes"
    return str(error)
