"""The fold: what is in force, from a knob and the layers of its leases.

It knows neither history nor time: the same layers give the same value in whatever order they came, so no end of a
lease can restore anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from serving_stub.frontdoor.knob import Mode, NumberKnob

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Layer(Generic[V]):
    """One lease in force.

    Args:
        value: a number, a value of the knob's model, or `{}`.
        strength: 1 while the lease lives; less, step by step, while it ramps; never 0.
        mode: counts for the batch alone.
    """

    value: V
    strength: float
    lease_id: str
    mode: Mode = "finish"


Layers = tuple[Layer[Any], ...]
"""In order of grant."""


@dataclass(frozen=True, slots=True)
class InForce:
    """A number in force, and how the engine is to get there."""

    value: int
    mode: Mode


def fold_number(knob: NumberKnob, layers: Iterable[Layer[int]]) -> InForce:
    """The fold of base value and *layers*; a layer that ramps counts as part of its way back to the base value.

    Among layers of the value in force one `preempt` is enough to preempt.
    """
    counted = [(_effective(knob.base, layer), layer.mode) for layer in layers]
    values = (knob.base, *(value for value, _ in counted))
    match knob.fold:
        case "min":
            value = min(values)
        case "max":
            value = max(values)
        case "furthest":
            value = max(values, key=lambda one: (abs(one), one))
    return InForce(value, "preempt" if (value, "preempt") in counted else "finish")


def _effective(base: int, layer: Layer[int]) -> int:
    return base + round((layer.value - base) * layer.strength)
