"""Series are written as for promtool."""

from __future__ import annotations

import math

import pytest

from opsbot.testing.notation import MAX_VALUES, NotationError, labels_of, values_of


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1 2.5 -3", (1.0, 2.5, -3.0)),
        ("0x3", (0.0, 0.0, 0.0, 0.0)),
        ("1+2x3", (1.0, 3.0, 5.0, 7.0)),
        ("10-1x2", (10.0, 9.0, 8.0)),
        ("-2+4x3", (-2.0, 2.0, 6.0, 10.0)),
        ("1 _ 2", (1.0, None, 2.0)),
        ("_x3 1", (None, None, None, 1.0)),
        ("1 stale 2", (1.0, "stale", 2.0)),
        ("1e3 .5", (1000.0, 0.5)),
        ("Inf -Inf", (math.inf, -math.inf)),
    ],
)
def test_values_are_read_as_promtool_reads_them(text: str, values: tuple[object, ...]) -> None:
    """The examples of its documentation among them."""
    assert values_of(text) == values


def test_nan_is_a_value() -> None:
    """It is a sample, and no gap."""
    (value,) = values_of("NaN")
    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize("text", ["", "x3", "1+2", "1,2", "a", "1x", "__", "{{schema:1}}", f"1x{MAX_VALUES}"])
def test_what_is_no_value_is_refused(text: str) -> None:
    """So is more than anybody needs."""
    with pytest.raises(NotationError):
        values_of(text)


def test_labels_hold_the_name() -> None:
    """With and without braces."""
    assert dict(labels_of('a:b{c="d"}')) == {"__name__": "a:b", "c": "d"}
    assert dict(labels_of("up")) == {"__name__": "up"}


@pytest.mark.parametrize("text", ["sum(up)", 'up{a=~"b"}', "up[5m]", "up offset 5m", '{a="b"}', "up{"])
def test_what_is_not_one_series_is_refused(text: str) -> None:
    """A series has a name and exact labels."""
    with pytest.raises(NotationError):
        labels_of(text)
