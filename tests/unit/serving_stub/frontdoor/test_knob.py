"""Knobs: which values each kind takes, and what it says about others."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from serving_stub.errors import InvalidValue, ValueOutOfRange
from serving_stub.frontdoor.knob import LayeredKnob, SwitchKnob, Value
from tests.support.serving_leases import KNOB


class Shade(BaseModel):
    """A value of a knob of layers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fraction: float = Field(ge=0)
    name: str | None = None
    colour: str = "grey"


SHADE = LayeredKnob("shade", Shade, "the darkest", ("ramp",), "shed")
SWITCH = SwitchKnob("drain")


def test_a_number_comes_back_as_it_was() -> None:
    """A number within the range needs nothing."""
    assert KNOB.check(8) == 8


@pytest.mark.parametrize("value", [None, {}, True])
def test_a_number_knob_takes_nothing_else(value: Value | None) -> None:
    """The message says what it takes."""
    with pytest.raises(InvalidValue, match="batch_limit takes an integer from 1 to 32"):
        KNOB.check(value)


def test_a_number_of_another_configuration_is_brought_into_the_range() -> None:
    """A lease from before a restart with a smaller server neither fails nor asks for more than there is."""
    assert (KNOB.parse(99), KNOB.parse(-4)) == (32, 1)


def test_a_layer_is_kept_with_its_defaults_written_out() -> None:
    """Another release's defaults do not change what was granted; what is not there stays away."""
    assert SHADE.check({"fraction": 0.5}) == {"fraction": 0.5, "colour": "grey"}
    assert SHADE.parse({"fraction": 0.5, "colour": "grey"}) == Shade(fraction=0.5)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (8, "shade takes an object with: fraction, name, colour"),
        (None, "shade: fraction: Field required"),
        ({"fraction": -1}, "shade: fraction: Input should be greater than or equal to 0"),
        ({"fraction": 1, "tint": 1}, "shade: tint: Extra inputs are not permitted"),
        ({"fraction": float("inf")}, "shade: numbers must be finite"),
        ({"fraction": "x", "a": 1, "b": 2, "c": 3}, "; and 1 more"),
    ],
)
def test_a_wrong_layer_is_refused_by_field(value: Value | None, message: str) -> None:
    """Each problem is named with its field, the first few of them."""
    with pytest.raises(InvalidValue, match=message):
        SHADE.check(value)


@pytest.mark.parametrize("value", [None, {}])
def test_a_switch_needs_no_value(value: Any) -> None:
    """Left out or empty, it is the same."""
    assert SWITCH.check(value) == {}


@pytest.mark.parametrize("value", [1, {"on": True}])
def test_a_switch_takes_no_value(value: Value) -> None:
    """What cannot be obeyed is refused."""
    with pytest.raises(InvalidValue, match="drain is a switch"):
        SWITCH.check(value)


def test_out_of_range_is_an_error_of_its_own() -> None:
    """Numbers keep the code that the contract has for them."""
    with pytest.raises(ValueOutOfRange, match="batch_limit is 33, expected an integer from 1 to 32"):
        KNOB.check(33)
