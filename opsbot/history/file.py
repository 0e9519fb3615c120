"""The history's file: takes thinned samples, makes them small when their hour is over, forgets, and answers.

Everything here is one thread's. Errors of SQLite go to the caller; what was not committed was not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from opsbot.history.compact import compacted, due
from opsbot.history.level import COARSE, FINE, LEVELS, Level
from opsbot.history.reading import read_span
from opsbot.history.schema import schema
from opsbot.history.series import NONE, SeriesTable
from opsbot.history.span import Span, write_tail
from opsbot.promql.block import Block
from opsbot.promql.labelset import LabelSet
from opsbot.promql.matcher import Matchers
from opsbot.promql.reach import SLACK_S
from opsbot.promql.sheet import is_stale
from opsbot.promql.syntax import QueryError
from opsbot.sqlite_file import open_file

MAX_READ_SAMPLES = 5_000_000
"""Of one selector, 40 MB; a tenth of what Prometheus allows by itself."""
CUT_TO = 0.9
"""The share of its limit that a file which reached it is cut to."""
FEWEST_TIDIED, TIDIED_PART = 4, 20
"""So many sheets, or such a part of those that wait, are made small in one go: a little each minute."""
CUT_SPANS = 200
"""That many are forgotten in one go."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the file may take.

    Args:
        max_series: more are refused.
        max_bytes: past that the oldest samples make room.
    """

    max_series: int = 40_000
    max_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True)
class Batch:
    """Thinned samples of one sheet."""

    key: str
    block: Block


class HistoryFile:
    """An open file."""

    def __init__(self, path: Path, limits: Limits, time_text: str) -> None:
        """Open it; a damaged one is moved aside, with *time_text* in its name.

        Raises: OSError or sqlite3.Error if it cannot be had.
        """
        self._limits = limits
        self._file, self.moved_aside = open_file(path, schema(limits.max_bytes), time_text)
        self._db = self._file.connection
        try:
            self._series = SeriesTable(self._db, limits.max_series)
        except BaseException:
            self._file.close()
            raise
        self.num_damaged = 0
        """Parts that could not be read."""
        self.num_cut = 0
        """Spans that were forgotten before their time, for room."""

    @property
    def num_series(self) -> int:
        """How many series it knows."""
        return self._series.num_series

    @property
    def num_refused(self) -> int:
        """Series of a batch that were refused, since the process began."""
        return self._series.refused.total()

    @property
    def most_refused(self) -> str:
        """The metric name of which most series were refused."""
        return self._series.refused.most_common(1)[0][0] if self._series.refused else ""

    @property
    def num_bytes(self) -> int:
        """What it takes on the disk, without what is free for reuse in it."""
        pages, free, size = (
            int(self._db.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def close(self) -> None:
        """Close it."""
        self._file.close()

    def write(self, batches: Sequence[Batch]) -> int:
        """Add samples of the fine level, all of them or none; answers how many."""
        with self._transaction():
            return sum(self._write(batch) for batch in batches if batch.block.times)

    def tidy(self, now: float) -> int:
        """Make chunks of the tails of some sheets whose hour is over; answers of how many."""
        waiting = due(self._db, now)
        waiting = waiting[: max(FEWEST_TIDIED, len(waiting) // TIDIED_PART)]
        for level, sheet, bucket in waiting:
            with self._transaction():
                self.num_damaged += compacted(self._db, self._series, level, sheet, bucket)
        return len(waiting)

    def forget(self, now: float) -> None:
        """Forget what is too old, and the oldest of the rest where the file is too large."""
        with self._transaction():
            for level in LEVELS:
                before_ms = round((now - level.kept_s - SLACK_S) * 1000)
                self._forget_spans("level = ? AND end_ms < ?", (level.number, before_ms))
            self._series.forget(round((now - COARSE.kept_s - SLACK_S - COARSE.span_s) * 1000))
        while self.num_bytes > self._limits.max_bytes * CUT_TO:
            with self._transaction():
                gone = self._forget_spans("id IN (SELECT id FROM span ORDER BY start_ms LIMIT ?)", (CUT_SPANS,))
            if not gone:
                return
            self.num_cut += gone

    def read(self, matchers: Matchers, level: Level, start_s: float, end_s: float) -> list[tuple[str, Block]]:
        """The samples of all series that the matchers accept between start and end, by their sheets' keys.

        Raises: QueryError if that is too much.
        """
        series = self._series.matching(matchers)
        expected = sum(map(len, series.values())) * (end_s - start_s) / level.step_s
        if expected > MAX_READ_SAMPLES:
            raise QueryError(
                f"about {expected:.0f} samples would be read for one selector, {MAX_READ_SAMPLES} are allowed; "
                "ask for fewer series or a shorter time"
            )
        keys = self._series.keys()
        found: list[tuple[str, Block]] = []
        for sheet, labels in series.items():
            span = self._span(sheet, level, labels, round(start_s * 1000), round(end_s * 1000))
            own = tuple(labels[int(one)] for one in span.ids)
            block = Block(own, (span.times_ms / 1000).tolist(), span.values).between(start_s, end_s)
            if block.labels and block.times:
                found.append((keys[sheet], block))
        return found

    def newest_s(self) -> float | None:
        """When the newest sample is of; None without any."""
        (newest,) = self._db.execute(
            "SELECT max(end_ms) FROM span WHERE level = ? AND end_ms > ?", (FINE.number, 0)
        ).fetchone()
        return None if newest is None else newest / 1000

    def _span(self, sheet: int, level: Level, labels: dict[int, LabelSet], start_ms: int, end_ms: int) -> Span:
        span, num_damaged = read_span(self._db, sheet, level, labels, start_ms, end_ms)
        self.num_damaged += num_damaged
        return span

    def _write(self, batch: Batch) -> int:
        block = batch.block
        times_ms = np.round(np.array(block.times) * 1000).astype(np.int64)
        sheet = self._series.sheet(batch.key)
        ids = self._series.ids(sheet, block.labels, int(times_ms[-1]))
        rows = np.flatnonzero((ids != NONE) & ~is_stale(block.values).all(axis=1))
        # A scrape of which nothing is left still says that its series were not there.
        whole = Span(times_ms, ids[rows], block.values[rows])
        for hour in np.unique(times_ms // round(FINE.span_s * 1000)):
            write_tail(self._db, FINE, sheet, whole.where(times_ms // round(FINE.span_s * 1000) == hour))
        return len(rows) * len(times_ms)

    def _forget_spans(self, where: str, values: tuple[object, ...]) -> int:
        self._db.execute(f"DELETE FROM chunk WHERE span IN (SELECT id FROM span WHERE {where})", values)  # noqa: S608
        return self._db.execute(f"DELETE FROM span WHERE {where}", values).rowcount  # noqa: S608

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._series.lost_track()
            raise
