"""Capacity in words: numbers as people say them, and the one sentence on the trend."""

from __future__ import annotations

import math

from opsbot.capacity.forecast import DAY_S, MIN_READINGS, Forecast, Meeting
from opsbot.capacity.usage import Cluster

HOUR_S = 3600.0
WHOLE = 0.9
"""From this share on, what the source knows counts as all that was asked for."""
_TENFOLD = math.log(10)
"""From this growth an hour on, a percentage says nothing to anybody."""
SHORTEST_MIN = 2
"""A shorter --window is refused."""


def quantity(value: float | None) -> str:
    """`950`, `12.3k`, `1.21M`; `not known` for None."""
    if value is None:
        return "not known"
    for scale, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= scale * 0.9995:
            return f"{value / scale:.3g}{name}" if value < 999.5 * scale else f"{value / scale:,.0f}{name}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def percent(share: float | None, *, is_at_most: bool = False) -> str:
    """`43%`, `under 1%`, `at most 93%`; `not known` for None."""
    if share is None:
        return "not known"
    shown = "under 1%" if 0 < share < 0.01 else f"{share:.0%}"
    return f"at most {shown}" if is_at_most and share >= 0.01 else shown


def ahead(seconds: float) -> tuple[float, str]:
    """A duration as a number and its unit."""
    for size, name in ((DAY_S, "days"), (HOUR_S, "hours"), (60.0, "minutes")):
        if seconds >= 1.5 * size:
            return seconds / size, name
    return seconds, "seconds"


def trend_sentence(cluster: Cluster, made: Forecast | None, meets: Meeting | None, now_s: float) -> str:
    """One sentence: how tok/min changes, and when the bound is met."""
    if made is None:
        return f"too few readings for a trend: {MIN_READINGS} above zero are needed"
    return f"{_growth(made)}; {_meets(cluster, made, meets, now_s)}"


def history_s(cluster: Cluster) -> float | None:
    """Seconds from the first reading to the last moment looked at; None without a reading."""
    known = cluster.tokens.known()
    return cluster.tokens.end_s - known[0][0] if known else None


def history_sentence(cluster: Cluster, made: Forecast | None) -> str | None:
    """How much of the time looked back over the source knows; None if nearly all, or nothing.

    Where that makes no trend, it says what to ask for.
    """
    tokens, had = cluster.tokens, history_s(cluster)
    asked = tokens.end_s - tokens.start_s
    if had is None or had >= WHOLE * asked:
        return None
    most = had + tokens.step_s  # the first reading's own time counts too
    known, wanted = (f"{number:.0f} {unit}" for number, unit in (ahead(most), ahead(asked)))
    said = f"the source knows at most {known} of the {wanted} looked back over"
    minutes = math.floor(most / 60)
    if made is not None or minutes < SHORTEST_MIN:
        return said
    return f"{said}; --window {minutes}m reads them more closely"


def _growth(made: Forecast) -> str:
    growth, unit = made.growth_per_day, "a day"
    # A percentage a day says nothing about minutes: where it would be absurd, the hour is named.
    mu = growth.mu
    if abs(mu) > 2:
        mu, unit = mu / 24, "an hour"
    if not made.has_trend:
        return "tok/min shows no clear trend"
    if abs(mu) > _TENFOLD:
        number, unit = ahead(math.log(2) / abs(mu) * HOUR_S)
        return f"tok/min {'doubles' if mu > 0 else 'halves'} every {number:.0f} {unit}"
    change = math.expm1(mu)
    amount = f"{abs(change):.0%}" if abs(change) >= 0.01 else "under 1%"
    return f"tok/min {'grows' if change > 0 else 'falls'} {amount} {unit}"


def _meets(cluster: Cluster, made: Forecast, meets: Meeting | None, now_s: float) -> str:
    if meets is None or cluster.bound is None:
        return "its capacity is not known"
    bound = f"the {cluster.bound} bound"
    if (cluster.used_now or 0.0) >= 1:
        return f"{bound} is met now"
    far, unit = ahead(made.times[-1] - now_s)
    if meets.earliest is None:
        return f"{bound} is not met within {far:.0f} {unit}"
    soon = meets.earliest - now_s
    if meets.latest is None:
        number, unit = ahead(max(soon, 1.0))
        return f"{bound} is met in {number:.0f} {unit} at the earliest"
    late, unit = ahead(max(meets.latest - now_s, 1.0))
    early = max(soon, 0.0) / (max(meets.latest - now_s, 1.0) / late)
    if f"{early:.0f}" == f"{late:.0f}":
        return f"{bound} is met in about {late:.0f} {unit}"
    return f"{bound} is met in {early:.0f} to {late:.0f} {unit}"
