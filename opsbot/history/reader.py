"""Reads the history's file beside the watch that writes it: without its lock, and without changing anything.

Everything here is one thread's. What watch forgets or makes small meanwhile is gone or smaller in the next answer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from opsbot.errors import SourceError
from opsbot.history.level import FINE, Level
from opsbot.history.reading import read_span
from opsbot.history.schema import VERSION
from opsbot.history.series import SeriesTable
from opsbot.promql.block import Block
from opsbot.promql.labelset import LabelSet
from opsbot.promql.matcher import Matchers

BUSY_TIMEOUT_S = 5.0

Selection = Mapping[int, Mapping[int, LabelSet]]
"""Series by their numbers, by their sheet's number."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What there is; seconds since the epoch.

    Args:
        oldest_s, newest_s: the first and the last sample.
        fine_since_s: since when samples are as dense as they are kept at all.
    """

    oldest_s: float
    newest_s: float
    fine_since_s: float


class HistoryReader:
    """An open file, to be read only. Every method raises SourceError where it cannot be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_damaged = 0
        """Parts that could not be read."""
        self._own: dict[tuple[int, bytes], tuple[LabelSet, ...]] = {}
        if not path.is_file():
            raise SourceError(f"there is no history at {path}")
        try:
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
        except sqlite3.Error as error:
            raise _unreadable(path, error) from error
        try:
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version != VERSION:
                raise SourceError(f"the history {path} is of version {version}; this opsbot reads version {VERSION}")
            self._series = SeriesTable(self._db, max_series=0)
        except sqlite3.Error as error:
            self._db.close()
            raise _unreadable(path, error) from error
        except SourceError:
            self._db.close()
            raise

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def extent(self) -> Extent | None:
        """From when to when there are samples; None without any."""
        try:
            oldest, newest = self._db.execute("SELECT min(start_ms), max(end_ms) FROM span").fetchone()
            select = "SELECT min(start_ms) FROM span WHERE level = ?"
            (fine,) = self._db.execute(select, (FINE.number,)).fetchone()
        except sqlite3.Error as error:
            raise _unreadable(self.path, error) from error
        if oldest is None:
            return None
        return Extent(oldest / 1000, newest / 1000, newest / 1000 if fine is None else fine / 1000)

    def selection(self, wanted: Iterable[Matchers]) -> dict[int, dict[int, LabelSet]]:
        """The series that any of the matchers accept."""
        found: dict[int, dict[int, LabelSet]] = {}
        try:
            for matchers in wanted:
                for sheet, labels in self._series.matching(matchers).items():
                    found.setdefault(sheet, {}).update(labels)
        except sqlite3.Error as error:
            raise _unreadable(self.path, error) from error
        return found

    def keys(self) -> Mapping[int, str]:
        """The key of each sheet, by its number."""
        try:
            return self._series.keys()
        except sqlite3.Error as error:
            raise _unreadable(self.path, error) from error

    def blocks(self, chosen: Selection, level: Level, start_s: float, end_s: float) -> Iterator[tuple[int, Block]]:
        """The samples of chosen series between start and end, both included: sheet by sheet, by the sheets' numbers.

        The same series in the next span of time are the same object there.
        """
        for sheet, labels in chosen.items():
            try:
                span, num_damaged = read_span(
                    self._db, sheet, level, labels, round(start_s * 1000), round(end_s * 1000)
                )
            except sqlite3.Error as error:
                raise _unreadable(self.path, error) from error
            self.num_damaged += num_damaged
            key = sheet, span.ids.tobytes()
            own = self._own.get(key)
            if own is None:
                self._own = {known: one for known, one in self._own.items() if known[0] != sheet}
                own = self._own[key] = tuple(labels[int(one)] for one in span.ids)
            block = Block(own, (span.times_ms / 1000).tolist(), span.values).between(start_s, end_s)
            if block.times:
                yield sheet, block


def _unreadable(path: Path, error: sqlite3.Error) -> SourceError:
    return SourceError(f"the history {path} cannot be read: {error}")
