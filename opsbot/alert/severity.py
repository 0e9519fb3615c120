"""One severity scale, and what the words of other systems are on it.

A label keeps the word that its sender chose, since it is part of the alert's identity; only reading it translates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Severity = Literal["critical", "high", "medium", "low", "info"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

_WORDS: Mapping[Severity, tuple[str, ...]] = {
    "critical": ("crit", "fatal", "emergency", "emerg", "disaster", "page", "p1", "sev0", "sev1"),
    "high": ("error", "err", "major", "urgent", "p2", "sev2"),
    "medium": ("warning", "warn", "moderate", "average", "p3", "sev3"),
    "low": ("minor", "notice", "ticket", "p4", "sev4"),
    "info": ("informational", "information", "none", "debug", "ok", "p5", "sev5"),
}
OTHERS_WORDS: Mapping[str, Severity] = {word: severity for severity, words in _WORDS.items() for word in words}
"""What Prometheus's mixins, Grafana, Datadog (P1 to P5) and syslog say, and what it is to us."""


def to_severity(word: str) -> Severity | None:
    """*word* on our scale, whatever its case; None if nobody says it."""
    plain = word.strip().casefold().replace("-", "").replace(" ", "")
    for severity in SEVERITIES:
        if plain == severity:
            return severity
    return OTHERS_WORDS.get(plain)
