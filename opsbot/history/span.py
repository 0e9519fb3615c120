"""Spans and chunks as they stand in the file: written, and read back as blocks of numbered series."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opsbot.history.codec import DamagedError, packed, packed_whole, unpacked, unpacked_whole
from opsbot.history.level import Level
from opsbot.history.schema import ALL_NAMES
from opsbot.history.series import Ids
from opsbot.history.thin import kept
from opsbot.promql.block import stale
from opsbot.promql.sheet import Values

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Span:
    """Samples of one sheet.

    Shapes: times_ms is [times], ascending; ids is [series]; values is [series, times].
    """

    times_ms: Ids
    ids: Ids
    values: Values

    def since(self, start_ms: int) -> Span:
        """The part from *start_ms* on."""
        return self.where(self.times_ms >= start_ms)

    def where(self, columns: NDArray[np.bool_]) -> Span:
        """Some of its times."""
        return Span(self.times_ms[columns], self.ids, self.values[:, columns])


def write_span(connection: sqlite3.Connection, level: Level, sheet: int, span: Span, *, is_tail: bool) -> int:
    """Add a span without its chunks; answers its number."""
    row = (
        level.number, sheet, is_tail, int(span.times_ms[0]), int(span.times_ms[-1]),
        len(span.times_ms), packed_whole(span.times_ms),
    )  # fmt: skip
    columns = "level, sheet, is_tail, start_ms, end_ms, num_times, times"
    insert = f"INSERT INTO span ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
    number = connection.execute(insert, row).lastrowid
    assert number is not None
    return number


def write_chunk(connection: sqlite3.Connection, span: int, name: str, ids: Ids, values: Values) -> None:
    """Add the samples of one name."""
    row = (span, name, len(ids), packed_whole(ids), packed(values))
    connection.execute("INSERT INTO chunk (span, name, num_series, ids, data) VALUES (?, ?, ?, ?, ?)", row)


def write_tail(connection: sqlite3.Connection, level: Level, sheet: int, span: Span) -> None:
    """Add a short span of all names."""
    number = write_span(connection, level, sheet, span, is_tail=True)
    write_chunk(connection, number, ALL_NAMES, span.ids, span.values)


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A span's times and one of its chunks, still packed; without a chunk nothing of what was wanted is in the span."""

    num_times: int
    times: bytes
    num_series: int | None
    ids: bytes | None
    data: bytes | None


def stored_chunks(
    connection: sqlite3.Connection, level: Level, sheet: int, start_ms: int, end_ms: int, names: Collection[str]
) -> list[StoredChunk]:
    """The spans of a sheet that have something between start and end, with the chunks of these names, by time."""
    wanted = [ALL_NAMES, *names]
    select = (
        "SELECT num_times, times, num_series, ids, data FROM span "  # noqa: S608
        f"LEFT JOIN chunk ON chunk.span = span.id AND name IN ({', '.join('?' * len(wanted))}) "
        "WHERE level = ? AND sheet = ? AND start_ms <= ? AND end_ms >= ? ORDER BY start_ms, span.id"
    )
    values = (*wanted, level.number, sheet, end_ms, start_ms)
    return [StoredChunk(*row) for row in connection.execute(select, values)]


def stored_tails(
    connection: sqlite3.Connection, level: Level, sheet: int, start_ms: int, end_ms: int
) -> list[StoredChunk]:
    """The tails of a sheet that begin between start and end, the latter not included, by time."""
    select = (
        "SELECT num_times, times, num_series, ids, data FROM span JOIN chunk ON chunk.span = span.id "
        "WHERE is_tail AND level = ? AND sheet = ? AND start_ms >= ? AND start_ms < ? ORDER BY start_ms, span.id"
    )
    return [StoredChunk(*row) for row in connection.execute(select, (level.number, sheet, start_ms, end_ms))]


def unpacked_spans(chunks: Collection[StoredChunk], wanted: Ids | None) -> tuple[list[Span], int]:
    """The chunks as spans, with those series that are *wanted* (None: all); and how many were damaged."""
    found: list[Span] = []
    for chunk in chunks:
        try:
            times_ms = unpacked_whole(chunk.times, chunk.num_times)
            ids, values = np.empty(0, np.int64), stale(0, len(times_ms))
            if chunk.num_series is not None and chunk.ids is not None and chunk.data is not None:
                ids = unpacked_whole(chunk.ids, chunk.num_series)
                rows = np.arange(len(ids)) if wanted is None else np.flatnonzero(np.isin(ids, wanted))
                all_values = unpacked(chunk.data, chunk.num_series, chunk.num_times) if len(rows) else values
                ids, values = ids[rows], all_values[rows] if len(rows) else values
        except DamagedError as error:
            logger.error("a part of the history cannot be read and is left out: %s", error)
        else:
            found.append(Span(times_ms, ids, values))
    return found, len(chunks) - len(found)


def thinned(span: Span, counters: Collection[int], level: Level) -> Span:
    """What a coarser level keeps of a span; *counters* has the numbers of the series that are counters."""
    if not len(span.times_ms):
        return span
    is_counted = np.isin(span.ids, np.array(sorted(counters), dtype=np.int64))
    columns = kept(span.times_ms / 1000, span.values, is_counted, level.step_s)
    return Span(span.times_ms[columns], span.ids, span.values[:, columns])


def joined(spans: Collection[Span]) -> Span:
    """Spans of one sheet as one: the union of their times and of their series."""
    if not spans:
        return Span(np.empty(0, np.int64), np.empty(0, np.int64), stale(0, 0))
    times_ms = np.unique(np.concatenate([span.times_ms for span in spans]))
    ids = np.unique(np.concatenate([span.ids for span in spans]))
    values = stale(len(ids), len(times_ms))
    for span in spans:
        rows, columns = np.searchsorted(ids, span.ids), np.searchsorted(times_ms, span.times_ms)
        values[np.ix_(rows, columns)] = span.values
    return Span(times_ms, ids, values)
