"""What a query yields: a plain number, or a vector of labelled values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opsbot.promql.samples import NAME


@dataclass(frozen=True, slots=True)
class Element:
    """One value of a vector, with its labels (the metric name among them while it has one)."""

    labels: Mapping[str, str]
    value: float


Vector = list[Element]
Value = float | Vector


def without_name(labels: Mapping[str, str]) -> Mapping[str, str]:
    """The labels without the metric name: what an operation leaves."""
    return {name: value for name, value in labels.items() if name != NAME}
