"""Makes chunks of tails: those of one span of one sheet become a chunk for each metric name, a fraction of their size.

From an hour of the fine level the coarse level's is thinned on the way.
"""

from __future__ import annotations

import sqlite3

import numpy as np

from opsbot.history.level import COARSE, FINE, LEVELS, Level
from opsbot.history.series import SeriesTable
from opsbot.history.span import (
    Span,
    joined,
    stored_tails,
    thinned,
    unpacked_spans,
    write_chunk,
    write_span,
    write_tail,
)
from opsbot.history.thin import is_counter
from opsbot.promql.sheet import is_stale


def due(connection: sqlite3.Connection, now: float) -> list[tuple[Level, int, int]]:
    """The level, sheet and begin (milliseconds) of every span that is over and still in tails; the oldest first."""
    found: list[tuple[int, int, Level]] = []
    for level in LEVELS:
        span_ms = round(level.span_s * 1000)
        over_ms = round((now - level.settled_s) * 1000) // span_ms * span_ms
        select = (
            "SELECT DISTINCT sheet, start_ms / ? * ? FROM span INDEXED BY tail_by_time "
            "WHERE is_tail AND level = ? AND start_ms < ?"
        )
        rows = connection.execute(select, (span_ms, span_ms, level.number, over_ms))
        found += [(begin_ms, sheet, level) for sheet, begin_ms in rows]
    return [(level, sheet, begin_ms) for begin_ms, sheet, level in sorted(found, key=lambda one: one[:2])]


def compacted(connection: sqlite3.Connection, series: SeriesTable, level: Level, sheet: int, begin_ms: int) -> int:
    """Replace the tails of a span by chunks; answers how many were damaged and are lost."""
    end_ms = begin_ms + round(level.span_s * 1000)
    spans, num_damaged = unpacked_spans(stored_tails(connection, level, sheet, begin_ms, end_ms), None)
    where = "is_tail AND level = ? AND sheet = ? AND start_ms >= ? AND start_ms < ?"
    place = (level.number, sheet, begin_ms, end_ms)
    connection.execute(f"DELETE FROM chunk WHERE span IN (SELECT id FROM span WHERE {where})", place)  # noqa: S608
    connection.execute(f"DELETE FROM span WHERE {where}", place)  # noqa: S608
    if not spans:
        return num_damaged
    whole = joined(spans)
    names = dict(connection.execute("SELECT id, name FROM series WHERE sheet = ?", (sheet,)).fetchall())
    number = write_span(connection, level, sheet, whole, is_tail=False)
    rows_of: dict[str, list[int]] = {}
    for row, one in enumerate(whole.ids.tolist()):
        if one in names:
            rows_of.setdefault(names[one], []).append(row)
    for name, rows in rows_of.items():
        write_chunk(connection, number, name, whole.ids[rows], whole.values[rows])
    series.seen(whole.ids, int(whole.times_ms[-1]))
    if level is FINE:
        counters = {one for one, name in names.items() if is_counter(name)}
        _write_coarse(connection, sheet, whole, counters)
    return num_damaged


def _write_coarse(connection: sqlite3.Connection, sheet: int, fine: Span, counters: set[int]) -> None:
    """Add to the coarse level what it keeps of an hour of the fine one."""
    begin_ms = int(fine.times_ms[0])
    before, _ = unpacked_spans(stored_tails(connection, COARSE, sheet, begin_ms - 2 * 3_600_000, begin_ms), None)
    # The minute before says whether a counter fell just then.
    both = joined([*(_last(span) for span in before[-1:]), fine])
    coarse = thinned(both, counters, COARSE).since(begin_ms)
    rows = np.flatnonzero(~is_stale(coarse.values).all(axis=1))
    write_tail(connection, COARSE, sheet, Span(coarse.times_ms, coarse.ids[rows], coarse.values[rows]))


def _last(span: Span) -> Span:
    return Span(span.times_ms[-1:], span.ids, span.values[:, -1:])
