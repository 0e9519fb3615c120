"""What a query yields: a plain number, or a vector of labelled values."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from opsbot.promql.labelset import LabelSet


class Element(NamedTuple):
    """One value of a vector, with its labels (the metric name among them while it has one)."""

    labels: LabelSet
    value: float


Vector = list[Element]
Value = float | Vector

# A named tuple's own constructor is a Python function; vectors have a thousand elements.
_element = partial(tuple.__new__, Element)


def vector_of(pairs: Iterable[tuple[LabelSet, float]]) -> Vector:
    """A vector of label sets and their values."""
    return list(map(_element, pairs))
