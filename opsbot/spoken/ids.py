"""Names of things as people type them: `INC 1`, `inc-1`, `#1`, `R-3FA2C1`, `run 3fa2c1`, `sil 4`."""

from __future__ import annotations

import re

from opsbot.errors import ConfigError

_INCIDENT = re.compile(r"\s*(?:for\s+)?(?:inc(?:ident)?s?[-_ #.]*|#)?(\d{1,9})\b", re.IGNORECASE)
_BETWEEN = r"\s*(?:into|and|with|to|under|,|->|→)?\s*"
_TWO = re.compile(rf"{_INCIDENT.pattern}{_BETWEEN}{_INCIDENT.pattern}(.*)", re.IGNORECASE | re.DOTALL)
_RUN = re.compile(r"(?:run\s+)?(?:r[-_ ]?)?([0-9a-f]{4,32})\b[,:]?\s*(.*)", re.IGNORECASE | re.DOTALL)
_LED = re.compile(r"^[\s,;:-]*(?:(?:because|since|as|reason|why|weil|denn)\b\s*[:=]?)?[\s,:;]*", re.IGNORECASE)


def incident_and_rest(text: str, usage: str) -> tuple[str, str]:
    """The incident that *text* begins with, and the rest; raises ConfigError with *usage*."""
    found = _INCIDENT.match(text)
    if found is None:
        raise ConfigError(f"which incident? {usage}")
    return f"INC-{int(found[1])}", reason_in(text[found.end() :])


def two_incidents_and_rest(text: str, usage: str) -> tuple[str, str, str]:
    """Two incidents, and what stands behind them; raises ConfigError with *usage*."""
    found = _TWO.match(text)
    if found is None:
        raise ConfigError(f"two incidents are needed: {usage}")
    return f"INC-{int(found[1])}", f"INC-{int(found[2])}", reason_in(found[3])


def run_and_rest(text: str, usage: str) -> tuple[str, str]:
    """The run that *text* begins with as its handle, or its whole id, and the rest; raises ConfigError."""
    if not text:
        raise ConfigError(usage)
    if text.startswith("run:"):
        word, _, rest = text.partition(" ")
        return word, rest.strip()
    found = _RUN.fullmatch(text)
    if found is None:
        word, _, rest = text.partition(" ")
        return word, rest.strip()
    return f"r-{found[1].lower()}", found[2].strip()


def silence_name(text: str) -> str:
    """`SIL-1` of `sil 1`, `1`, `silence 1`; anything else as it is, for the domain to refuse."""
    found = re.match(r"(?:sil(?:ence)?s?[-_ #]*|#)?(\d{1,9})\b", text.strip(), re.IGNORECASE)
    return f"SIL-{int(found[1])}" if found else text.split()[0]


def reason_in(text: str) -> str:
    """A reason without the word that leads to it."""
    return _LED.sub("", text).strip()
