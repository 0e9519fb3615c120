"""Factors that multiply: each is known within a range, and their product within a wider one.

A product of independent factors tends to a log-normal value, since its logarithm is a sum. So every band here is
symmetric as a factor ("2 times less to 2 times more"), never as a difference.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

BAND = 0.8
"""The share of outcomes that a band promises to hold: one in ten falls below it, one in ten above."""
BAND_Z = NormalDist().inv_cdf(0.5 + BAND / 2)
"""Standard deviations from the middle to either edge of a band."""

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)([kMG]?)")
_SCALE = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


@dataclass(frozen=True, slots=True)
class LogNormal:
    """A positive value whose natural logarithm is normal.

    Args:
        mu: mean of the logarithm; `exp(mu)` is the median.
        sigma: standard deviation of the logarithm; 0 for a value that is known.
    """

    mu: float
    sigma: float = 0.0

    @classmethod
    def of_range(cls, low: float, high: float) -> LogNormal:
        """The value that lies between *low* and *high* in BAND of all cases.

        Raises: ValueError unless 0 < low <= high.
        """
        if not 0 < low <= high or not math.isfinite(high):
            raise ValueError(f"a range needs 0 < low <= high, not {low:g} to {high:g}")
        return cls((math.log(low) + math.log(high)) / 2, (math.log(high) - math.log(low)) / (2 * BAND_Z))

    @property
    def median(self) -> float:
        """As often below as above."""
        return _exp(self.mu)

    @property
    def low(self) -> float:
        """The lower edge of the band."""
        return _exp(self.mu - BAND_Z * self.sigma)

    @property
    def high(self) -> float:
        """The upper edge of the band."""
        return _exp(self.mu + BAND_Z * self.sigma)

    @property
    def spread(self) -> float:
        """The factor from the median to either edge; 1 for a value that is known."""
        return _exp(BAND_Z * self.sigma)

    def __mul__(self, other: LogNormal) -> LogNormal:
        """The product with an independent value."""
        return LogNormal(self.mu + other.mu, math.hypot(self.sigma, other.sigma))

    def __truediv__(self, other: LogNormal) -> LogNormal:
        """The ratio to an independent value."""
        return LogNormal(self.mu - other.mu, math.hypot(self.sigma, other.sigma))


def fit(values: Iterable[float]) -> LogNormal | None:
    """The log-normal value with the mean and the spread of *values*' logarithms; None without a positive one."""
    logs = [math.log(value) for value in values if value > 0]
    if not logs:
        return None
    mean = sum(logs) / len(logs)
    return LogNormal(mean, math.sqrt(sum((one - mean) ** 2 for one in logs) / len(logs)))


def parse_number(text: str) -> float:
    """The number in `600`, `2k`, `1.5M` or `1G`.

    Raises: ValueError.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"a number such as 600, 2k or 1.5M is needed, not {text!r}")
    return float(match[1]) * _SCALE[match[2]]


def parse_factor(text: str) -> LogNormal:
    """The factor in `0.5` (known) or `0.3-0.7` (a band).

    Raises: ValueError.
    """
    low, dash, high = text.partition("-")
    try:
        return LogNormal.of_range(parse_number(low), parse_number(high if dash else low))
    except ValueError as error:
        raise ValueError(f"a number or a range such as 300 or 200-500 is needed, not {text!r}") from error


def _exp(exponent: float) -> float:
    # A band may be wider than a float; its edge is then the float's.
    return math.exp(max(-700.0, min(700.0, exponent)))
