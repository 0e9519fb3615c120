"""Which number a series has in the history's file; of new ones only so many get one.

Memory holds the numbers of the series that are exposed now, never of those that were.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from opsbot.promql.labelset import NAME, LabelSet
from opsbot.promql.matcher import Matchers

Ids = NDArray[np.int64]
NONE = -1
"""In place of the number of a series that was refused."""


@dataclass(slots=True)
class SeriesTable:
    """The tables `sheet` and `series`.

    Args:
        max_series: more than that many are refused, counted and named.
        refused: how many samples' series of each metric name were refused, since the process began.
    """

    connection: sqlite3.Connection
    max_series: int
    num_series: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    _sheets: dict[str, int] = field(default_factory=dict)
    _known: dict[int, dict[LabelSet, int]] = field(default_factory=dict)
    _last: dict[int, tuple[Sequence[LabelSet], Ids]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.num_series = int(self.connection.execute("SELECT count(*) FROM series").fetchone()[0])

    def sheet(self, key: str) -> int:
        """The number of a sheet."""
        found = self._sheets.get(key)
        if found is None:
            self.connection.execute("INSERT OR IGNORE INTO sheet (key) VALUES (?)", (key,))
            (found,) = self.connection.execute("SELECT id FROM sheet WHERE key = ?", (key,)).fetchone()
            self._sheets[key] = int(found)
        return self._sheets[key]

    def ids(self, sheet: int, labels: Sequence[LabelSet], seen_ms: int) -> Ids:
        """The numbers of series; NONE for one that was refused. The same *labels* object as last time costs nothing."""
        last = self._last.get(sheet)
        if last is not None and last[0] is labels:
            return last[1]
        before, now = self._known.get(sheet, {}), dict[LabelSet, int]()
        for one in labels:
            number = before.get(one, NONE)
            number = self._number(sheet, one, seen_ms) if number == NONE else number
            if number != NONE:
                now[one] = number
        self._known[sheet] = now
        ids = np.array([now.get(one, NONE) for one in labels], dtype=np.int64)
        if (ids != NONE).all():
            # What was refused may find room the next time, so then this is not remembered.
            self._last[sheet] = (labels, ids)
        return ids

    def seen(self, ids: Ids, seen_ms: int) -> None:
        """Note that these series still have samples."""
        rows = [(seen_ms, int(one)) for one in ids]
        self.connection.executemany("UPDATE series SET seen_ms = max(seen_ms, ?) WHERE id = ?", rows)

    def forget(self, before_ms: int) -> int:
        """Forget the series of which nothing is kept any more; answers how many."""
        gone = self.connection.execute("DELETE FROM series WHERE seen_ms < ?", (before_ms,)).rowcount
        if gone:
            self.connection.execute("DELETE FROM sheet WHERE id NOT IN (SELECT sheet FROM series)")
            self.num_series -= gone
            self.lost_track()
        return gone

    def lost_track(self) -> None:
        """Ask the file again for what was remembered, after a transaction that did not come to its end."""
        self._sheets.clear()
        self._known.clear()
        self._last.clear()
        self.num_series = int(self.connection.execute("SELECT count(*) FROM series").fetchone()[0])

    def matching(self, matchers: Matchers) -> dict[int, dict[int, LabelSet]]:
        """The series that all matchers accept: by sheet and number."""
        name = next((m.value for m in matchers if m.name == NAME and m.operator == "="), None)
        where, values = ("WHERE name = ?", (name,)) if name is not None else ("", ())
        tests = [(m.name, m.compiled()) for m in matchers]
        found: dict[int, dict[int, LabelSet]] = {}
        rows = self.connection.execute(f"SELECT id, sheet, name, labels FROM series {where}", values)  # noqa: S608
        for number, sheet, own_name, text in rows:
            try:
                labels = {**json.loads(text), NAME: own_name}
            except ValueError:
                continue  # a damaged row; its samples are lost with it
            if all(test(labels.get(label, "")) for label, test in tests):
                found.setdefault(sheet, {})[number] = LabelSet.of(labels)
        return found

    def keys(self) -> dict[int, str]:
        """The key of each sheet."""
        return dict(self.connection.execute("SELECT id, key FROM sheet").fetchall())

    def _number(self, sheet: int, labels: LabelSet, seen_ms: int) -> int:
        others = {name: value for name, value in labels.pairs if name != NAME}
        text = json.dumps(others, separators=(",", ":"), ensure_ascii=False)
        row = (sheet, labels[NAME], text)
        query = "SELECT id FROM series WHERE sheet = ? AND name = ? AND labels = ?"
        found = self.connection.execute(query, row).fetchone()
        if found is not None:
            return int(found[0])
        if self.num_series >= self.max_series:
            self.refused[labels[NAME]] += 1
            return NONE
        insert = "INSERT INTO series (sheet, name, labels, seen_ms) VALUES (?, ?, ?, ?)"
        number = self.connection.execute(insert, (*row, seen_ms)).lastrowid
        assert number is not None
        self.num_series += 1
        return number
