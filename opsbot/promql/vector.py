"""What a query yields: a plain number, or a vector of labelled values."""

from __future__ import annotations

from typing import NamedTuple

from opsbot.promql.labelset import LabelSet


class Element(NamedTuple):
    """One value of a vector, with its labels (the metric name among them while it has one)."""

    labels: LabelSet
    value: float


Vector = list[Element]
Value = float | Vector
