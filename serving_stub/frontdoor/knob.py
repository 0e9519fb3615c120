"""Knobs: what a lease may set, which values it may have, and what the end of such a lease may mean.

Three kinds: numbers, which fold into one number; layers, values of a model, all of which stay in force side by side;
and switches, which are on while any lease lives. A knob is a pure value; who obeys it is somebody else's matter.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from serving_stub.errors import InvalidValue, ValueOutOfRange

Mode = Literal["finish", "preempt"]
"""How a smaller batch is reached: admit nothing until enough finish, or put the newest back into the queue."""

Fold = Literal["min", "max", "furthest"]

OnEnd = Literal["release", "ramp", "hold_unhealthy"]
"""What the end of a lease means: gone at once; in steps, each when the load allows; or only once the server is well."""

Value = int | dict[str, Any]
"""A lease's value as JSON: a number, or an object for layers and switches."""

MAX_NUM_PROBLEMS = 3


@dataclass(frozen=True, slots=True)
class NumberKnob:
    """A number that leases may lower (`min`), raise (`max`), or move from zero in either direction (`furthest`).

    Args:
        fold: which of base value and leases is in force: the smallest, the largest, or the furthest from zero.
        on_ends: what the end of a lease may mean; the first unless the lease says otherwise.
        scope: what a token must be good for to set it.
    """

    name: str
    base: int
    minimum: int
    maximum: int
    fold: Fold = "min"
    on_ends: tuple[OnEnd, ...] = ("release",)
    scope: str = "batch"

    def check(self, value: Value | None) -> int:
        """Raises: InvalidValue, ValueOutOfRange."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidValue(f"{self.name} takes an integer from {self.minimum} to {self.maximum}")
        if not self.minimum <= value <= self.maximum:
            raise ValueOutOfRange(f"{self.name} is {value}, expected an integer from {self.minimum} to {self.maximum}")
        return value

    def parse(self, value: Value) -> int:
        """A value from the journal: what another configuration allowed is brought into today's range.

        Raises: InvalidValue.
        """
        if not isinstance(value, int):
            raise InvalidValue(f"{self.name} takes an integer")
        return min(max(value, self.minimum), self.maximum)


@dataclass(frozen=True, slots=True)
class LayeredKnob:
    """A setting whose leases all stay in force, each as a layer; a pure function elsewhere decides from the layers.

    Args:
        model: what a value must fit; frozen, and refuses unknown fields.
        fold: the rule of that function in a few words, for people.
        on_ends, scope: as for numbers.
    """

    name: str
    model: type[BaseModel]
    fold: str
    on_ends: tuple[OnEnd, ...]
    scope: str

    def check(self, value: Value | None) -> dict[str, Any]:
        """The value in full, with the defaults that count today written out.

        Raises: InvalidValue naming each field that is wrong.
        """
        checked = self.parse({} if value is None else value).model_dump(mode="json", by_alias=True, exclude_none=True)
        try:
            json.dumps(checked, allow_nan=False)
        except ValueError as error:
            raise InvalidValue(f"{self.name}: numbers must be finite") from error
        return checked

    def parse(self, value: Value) -> BaseModel:
        """Raises: InvalidValue."""
        if not isinstance(value, dict):
            raise InvalidValue(f"{self.name} takes an object with: {', '.join(_fields(self.model))}")
        try:
            return self.model.model_validate(value)
        except ValidationError as error:
            raise InvalidValue(f"{self.name}: {_problems(error)}") from error


@dataclass(frozen=True, slots=True)
class SwitchKnob:
    """A setting that is on while any lease lives; its leases have no value, or `{}`."""

    name: str
    on_ends: tuple[OnEnd, ...] = ("hold_unhealthy", "release")
    scope: str = "drain"

    def check(self, value: Value | None) -> dict[str, Any]:
        """Raises: InvalidValue."""
        return self.parse({} if value is None else value)

    def parse(self, value: Value) -> dict[str, Any]:
        """Raises: InvalidValue."""
        if value != {}:
            raise InvalidValue(f"{self.name} is a switch: leave value out, or send {{}}")
        return {}


Knob = NumberKnob | LayeredKnob | SwitchKnob


def _fields(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _problems(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    told = [
        f"{'.'.join(map(str, one['loc'])) or 'value'}: {one['msg'].removeprefix('Value error, ')}"
        for one in problems[:MAX_NUM_PROBLEMS]
    ]
    left = len(problems) - len(told)
    return "; ".join(told) + (f"; and {left} more" if left else "")
