"""Lengths of time as people type them: `10m`, `10 min`, `1h30`, `2 hours`, `1.5 h`, `an hour`, `half an hour`."""

from __future__ import annotations

import re

from opsbot.errors import ConfigError
from opsbot.yamlfile import format_duration

_UNITS: tuple[tuple[str, float], ...] = (
    (r"s|secs?|seconds?|sek|sekunden?", 1.0),
    (r"m|mins?|minutes?|minuten?", 60.0),
    (r"h|hrs?|hours?|std|stunden?", 3600.0),
    (r"d|days?|tagen?|tage?", 86400.0),
    (r"w|weeks?", 604800.0),
)
_UNIT = "|".join(pattern for pattern, _ in _UNITS)
_PART = rf"\d{{1,6}}(?:[.,]\d{{1,3}})?\s*(?:{_UNIT})\b"
LENGTH = re.compile(
    rf"(?:(?:for|over|during|lasting)\s+)?(?:"
    rf"(?P<half>half\s+an?\s+hour)\b|(?P<one>an?\s+(?:hour|minute|day)|quarter\s+of\s+an\s+hour)\b|"
    # `1h30` and `1h30m`: the unit needs no end of the word where a digit follows it.
    rf"(?P<mixed>\d{{1,4}}\s*h\s*\d{{1,2}}(?:\s*m(?:in)?)?)\b(?!\s*(?:%|/))|"
    rf"(?P<run>(?:\d{{1,6}}(?:ms|[wdhms]))+)\b(?!/)|"
    rf"(?P<parts>{_PART}(?:\s*(?:and\s+)?{_PART})*))",
    re.IGNORECASE,
)
"""At the beginning of a text, with `for` before it or not."""
_ONES = {"hour": 3600.0, "minute": 60.0, "day": 86400.0}
MOST_S = 366 * 86400.0


def length_of(found: re.Match[str]) -> float:
    """Seconds of what LENGTH has matched; raises ConfigError for one that nobody means."""
    seconds = _seconds(found)
    if not 0 < seconds <= MOST_S:
        raise ConfigError(f"`{found[0].strip()}` is no length of time: write `10m`, `1h30m` or `2 days`")
    return seconds


def read_length(text: str) -> float:
    """Seconds of a text that is a length and nothing else.

    Raises: ConfigError, with how to write it.
    """
    found = LENGTH.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"`{text.strip()[:40]}` is no length of time: write `10m`, `1h30m` or `2 days`")
    return length_of(found)


def said(seconds: float) -> str:
    """As the settings write it: `1h30m`."""
    return format_duration(seconds)


def _seconds(found: re.Match[str]) -> float:
    if found["half"]:
        return 1800.0
    if found["one"]:
        return 900.0 if "quarter" in found["one"].lower() else _ONES[found["one"].lower().split()[-1]]
    if found["mixed"]:
        hours, minutes = re.findall(r"\d+", found["mixed"])
        return int(hours) * 3600.0 + int(minutes) * 60.0
    if found["run"]:
        parts = re.findall(r"(\d+)(ms|[wdhms])", found["run"].lower())
        return sum(int(amount) * {"ms": 0.001, **_short()}[unit] for amount, unit in parts)
    return sum(_part(amount, unit) for amount, unit in re.findall(r"(\d+(?:[.,]\d+)?)\s*([a-z]+)", found[0].lower()))


def _short() -> dict[str, float]:
    return {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def _part(amount: str, unit: str) -> float:
    size = next(size for pattern, size in _UNITS if re.fullmatch(pattern, unit))
    return float(amount.replace(",", ".")) * size
