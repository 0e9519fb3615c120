"""Which part of the recent requests each priority sends, as a shed of everybody needs to know it.

What is published stays until the traffic has really changed, since every change moves callers across the line between
shed and served, and whoever is shed should stay shed.
"""

from __future__ import annotations

from collections.abc import Mapping

from serving_stub.frontdoor.rate import Rate

CHANGE = 0.05
"""The published shares are renewed when one of them is off by more than this."""
LEAST_COUNT = 20
"""Fewer requests of late than this say nothing about shares."""


class TrafficShares:
    """Counts every request that asks to be served, also those that are turned away, over about the last minute."""

    FADE_S = 60.0

    def __init__(self) -> None:
        self._rates: dict[int, Rate] = {}
        self._published: Mapping[int, float] = {}

    def count(self, priority: int, now: float) -> None:
        """One request has come in."""
        rate = self._rates.get(priority)
        if rate is None:
            rate = self._rates[priority] = Rate(now, self.FADE_S)
        rate.count(now)

    def shares(self, now: float) -> Mapping[int, float]:
        """By priority, 1 in all; empty while too little has been seen. Costs little, so ask at every request."""
        counts = {priority: rate.faded_count(now) for priority, rate in self._rates.items()}
        total = sum(counts.values())
        if total < LEAST_COUNT:
            return self._published
        current = {priority: count / total for priority, count in counts.items()}
        if current.keys() != self._published.keys() or any(
            abs(share - self._published[priority]) > CHANGE for priority, share in current.items()
        ):
            self._published = current
        return self._published
