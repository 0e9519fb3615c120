"""Log-normal factors: ranges, products and what people type."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.capacity.lognormal import LogNormal, fit, parse_factor, parse_number

positive = st.floats(1e-6, 1e6)


@given(positive, st.floats(1, 100))
def test_a_range_gives_its_edges_back(low: float, width: float) -> None:
    """The band of a range is that range, around the geometric middle."""
    found = LogNormal.of_range(low, low * width)
    assert found.low == pytest.approx(low)
    assert found.high == pytest.approx(low * width)
    assert found.median == pytest.approx(low * math.sqrt(width))


@given(st.tuples(positive, st.floats(1, 100)), st.tuples(positive, st.floats(1, 100)))
def test_a_product_is_never_surer_than_its_factors(one: tuple[float, float], other: tuple[float, float]) -> None:
    """Medians multiply; the spread is at least the larger one, at most their product."""
    first, second = (LogNormal.of_range(low, low * width) for low, width in (one, other))
    product = first * second
    assert product.median == pytest.approx(first.median * second.median)
    assert max(first.spread, second.spread) * 0.999 <= product.spread <= first.spread * second.spread * 1.001


def test_two_factors_of_two_make_one_of_2_67() -> None:
    """Spreads add in squares of logarithms: 2 to the power of the square root of 2."""
    one = LogNormal.of_range(0.5, 2.0)
    assert (one * one).spread == pytest.approx(2.6651, abs=1e-4)
    assert (one / one).spread == pytest.approx(2.6651, abs=1e-4)


def test_a_fit_has_the_logarithms_mean_and_spread() -> None:
    """1 and 100 have the middle 10; values that are not positive are left out."""
    found = fit([1.0, 100.0, 0.0])
    assert found is not None
    assert found.median == pytest.approx(10.0)
    assert found.sigma == pytest.approx(math.log(10))
    assert fit([0.0]) is None


@pytest.mark.parametrize(
    ("text", "value"), [("600", 600.0), ("2k", 2e3), ("1.5M", 1.5e6), ("1G", 1e9)], ids=["plain", "k", "M", "G"]
)
def test_numbers_are_read(text: str, value: float) -> None:
    """Plain and with a unit of thousands."""
    assert parse_number(text) == value


@pytest.mark.parametrize("text", ["", "x", "-5", "0", "900-400", "1-2-3", "nan", "1e5"])
def test_what_is_no_factor_is_refused(text: str) -> None:
    """Zero, backward ranges and other text."""
    with pytest.raises(ValueError, match="a number or a range such as"):
        parse_factor(text)
