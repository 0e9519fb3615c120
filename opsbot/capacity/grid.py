"""Answers of a metrics source, by whose they are and put at equal steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from opsbot.capacity.forecast import Readings
from opsbot.capacity.hardware import Key

_Floats = NDArray[np.float64]


class Element(Protocol):
    """One element of an answer."""

    @property
    def labels(self) -> Mapping[str, str]: ...

    @property
    def value(self) -> float: ...


class Line(Protocol):
    """One series of an answer over time."""

    @property
    def labels(self) -> Mapping[str, str]: ...

    @property
    def points(self) -> Sequence[tuple[float, float]]: ...


def key_of(labels: Mapping[str, str]) -> Key:
    """Whose sample it is."""
    return (
        labels.get("cluster", ""),
        labels.get("instance", ""),
        labels.get("model_name", "unknown"),
        labels.get("engine", ""),
    )


class Grid:
    """Puts points at equal steps; NaN where there is none."""

    def __init__(self, start_s: float, step_s: float, num_steps: int) -> None:
        self._start_s, self._step_s, self._num_steps = start_s, step_s, num_steps
        self.labels: list[Mapping[str, str]] = []

    def read(self, lines: Iterable[Line]) -> dict[Key, _Floats]:
        """The lines' values by what they are of."""
        found: dict[Key, _Floats] = {}
        for line in lines:
            self.labels.append(line.labels)
            values = found.setdefault(key_of(line.labels), np.full(self._num_steps, np.nan))
            for at, value in line.points:
                index = round((at - self._start_s) / self._step_s)
                if 0 <= index < self._num_steps and math.isfinite(value):
                    values[index] = value
        return found

    def read_moment(self, elements: Iterable[Element]) -> dict[Key, _Floats]:
        """The values of a grid of one step."""
        return self.read(_Moment(one.labels, ((self._start_s, one.value),)) for one in elements)

    def readings(self, values: _Floats) -> Readings:
        """As a series."""
        return Readings(self._start_s, self._step_s, [float(value) for value in values])


@dataclass(frozen=True, slots=True)
class _Moment:
    """One element as a series of one point."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]
