"""Subqueries: an expression evaluated at many instants, as the window that a range function takes.

The instants are multiples of the step since the epoch, as in Prometheus, so that a query asked a moment later sees
the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from opsbot.promql.labelset import LabelSet
from opsbot.promql.sheet import STALE, Window
from opsbot.promql.vector import Vector


def window_of(times: Sequence[float], vectors: Sequence[Vector]) -> Window | None:
    """The vectors at *times* as one window, with stale marks where a series has no element; None if all are empty."""
    found = [(time_s, vector) for time_s, vector in zip(times, vectors, strict=True) if vector]
    if not found:
        return None
    rows: dict[LabelSet, int] = {}
    for _, vector in found:
        for labels, _ in vector:
            rows.setdefault(labels, len(rows))
    values = np.full((len(rows), len(found)), STALE).view(np.float64)
    for column, (_, vector) in enumerate(found):
        values[[rows[labels] for labels, _ in vector], column] = [value for _, value in vector]
    nameless = tuple(labels.without_name() for labels in rows)
    return Window(tuple(rows), nameless, [time_s for time_s, _ in found], values)
