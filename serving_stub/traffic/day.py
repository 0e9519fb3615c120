"""How busy a country is through its day, and who leads the world at which hour.

A curve has one value an hour of local time and is straight between them. Hours of a plan are UTC from START_HOUR on:
a launch in the American morning, while Japan sleeps; Japan overtakes the United States in the seventh hour.
"""

from __future__ import annotations

from collections.abc import Mapping

from serving_stub.traffic.persona import COUNTRIES

START_HOUR = 18.0
"""UTC hour at which a plan begins: ten in the morning in San Francisco."""

_OFFICE = (
    0.22, 0.14, 0.09, 0.07, 0.06, 0.08, 0.15, 0.32, 0.58, 0.82, 0.95, 0.97,
    0.86, 0.90, 1.00, 0.98, 0.92, 0.82, 0.70, 0.62, 0.60, 0.58, 0.48, 0.34,
)  # fmt: skip
_EVENING = (
    0.45, 0.26, 0.14, 0.08, 0.06, 0.07, 0.14, 0.30, 0.45, 0.58, 0.66, 0.70,
    0.76, 0.70, 0.68, 0.70, 0.72, 0.76, 0.82, 0.92, 0.98, 1.00, 0.90, 0.68,
)  # fmt: skip
_CURVES: Mapping[str, tuple[float, tuple[float, ...]]] = {
    "US": (-6.5, _OFFICE),
    "JP": (9.0, _EVENING),
    "IN": (5.5, _EVENING),
    "DE": (1.0, _OFFICE),
    "BR": (-3.0, _EVENING),
    "GB": (0.0, _OFFICE),
    "FR": (1.0, _OFFICE),
    "KR": (9.0, _EVENING),
    "ES": (1.0, _EVENING),
    "AU": (10.0, _OFFICE),
}
"""Hours ahead of UTC (the middle of those of a wide country), and the curve."""


def load_of(country: str, hour: float) -> float:
    """How much a country asks *hour* hours after the plan's start; 1 is the United States' busiest."""
    ahead, curve = _CURVES[country]
    local = (START_HOUR + hour + ahead) % 24
    before = int(local)
    part = local - before
    return COUNTRIES[country] * (curve[before] * (1 - part) + curve[(before + 1) % 24] * part)


def loads(hour: float) -> dict[str, float]:
    """What every country asks at that hour."""
    return {country: load_of(country, hour) for country in _CURVES}


# Straight between half hours, so the busiest moment is one of them.
BUSIEST = max(sum(loads(half / 2).values()) for half in range(48))
