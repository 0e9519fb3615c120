"""Which of two media types a client would rather have, by its `Accept` header.

Neither Starlette nor another library that the server has reads it.
Source: RFC 9110, section 12.5.1: the most specific range that matches decides, with its quality.
"""

from __future__ import annotations

import re

_MOST_CHARACTERS = 2_000
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*(?:"|$)', re.DOTALL)
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


def prefers(wanted: str, over: str, accept: str | None) -> bool:
    """Whether *wanted* is rated higher than *over*; without a header, or rated alike, it is not."""
    if not accept or len(accept) > _MOST_CHARACTERS:
        return False
    ranges = _ranges(accept.lower())
    return _quality(wanted, ranges) > _quality(over, ranges)


def _ranges(accept: str) -> dict[str, float]:
    """Each range with its quality; one that cannot be read counts for nothing."""
    ranges: dict[str, float] = {}
    # Quoted text may hold commas and semicolons; of such values only one could match us.
    unquoted = _QUOTED.sub(lambda match: "utf-8" if match[0] == '"utf-8"' else "?", accept)
    for part in unquoted.split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality = _quality_of(parameters)
        if quality is not None:
            ranges[name] = max(quality, ranges.get(name, 0.0))
    return ranges


def _quality_of(parameters: list[str]) -> float | None:
    """The quality of a range with *parameters*; None if it asks for what we never send, or cannot be read."""
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key == "q":
            return float(value) if _QUALITY.fullmatch(value) else None
        if parameter not in ("", "charset=utf-8"):
            return None
    return 1.0


def _quality(media_type: str, ranges: dict[str, float]) -> float:
    names = (media_type, media_type.partition("/")[0] + "/*", "*/*")
    return next((ranges[name] for name in names if name in ranges), 0.0)
