"""What the history's file has of one sheet between two times, whoever asks: watch itself, or a reader beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping

import numpy as np

from opsbot.history.level import COARSE, FINE, Level
from opsbot.history.series import Ids
from opsbot.history.span import Span, joined, stored_chunks, thinned, unpacked_spans
from opsbot.history.thin import is_counter
from opsbot.promql.labelset import NAME, LabelSet


def read_span(
    connection: sqlite3.Connection,
    sheet: int,
    level: Level,
    labels: Mapping[int, LabelSet],
    start_ms: int,
    end_ms: int,
) -> tuple[Span, int]:
    """The samples of the series *labels* of a sheet, by their numbers; and how many parts were damaged.

    Raises: sqlite3.Error.
    """
    names = {one[NAME] for one in labels.values()}
    wanted = np.array(sorted(labels), dtype=np.int64)
    spans, num_damaged = _spans(connection, sheet, level, names, wanted, start_ms, end_ms)
    if level is COARSE:
        # The last hours are not there yet at this level.
        since_ms = max((int(span.times_ms[-1]) + 1 for span in spans), default=start_ms)
        fine, more = _spans(connection, sheet, FINE, names, wanted, since_ms, end_ms)
        num_damaged += more
        if fine:
            counters = {number for number, one in labels.items() if is_counter(one[NAME])}
            spans.append(thinned(joined(fine).since(since_ms), counters, COARSE))
    return joined(spans), num_damaged


def _spans(
    connection: sqlite3.Connection,
    sheet: int,
    level: Level,
    names: Collection[str],
    wanted: Ids,
    start_ms: int,
    end_ms: int,
) -> tuple[list[Span], int]:
    return unpacked_spans(stored_chunks(connection, level, sheet, start_ms, end_ms, names), wanted)
