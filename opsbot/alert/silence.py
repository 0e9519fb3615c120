"""Silences: for a time, with an owner and a reason, matching alerts open no incident.

Nothing is thrown away by one: what it hides is kept and counted, and opens an incident if it still fires at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

from opsbot.alert.matching import LabelMatch
from opsbot.errors import ConfigError
from opsbot.yamlfile import format_duration

MIN_REASON = 3
MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence; times in seconds since the epoch.

    Args:
        silence_id: `SIL-` and a number.
        created_by: Slack or CLI user id of its owner.
        ended_by: who ended it before its time; None for the clock.
        num_hidden: alerts that it has hidden so far, each firing counted once.
        num_hiding: alerts that fire now and are hidden by it.
    """

    silence_id: str
    match: LabelMatch
    reason: str
    created_by: str
    created_at: float
    ends_at: float
    ended_by: str | None = None
    num_hidden: int = 0
    num_hiding: int = 0

    def is_live(self, now: float) -> bool:
        """Whether it hides anything at *now*."""
        return self.created_at <= now < self.ends_at


def check_silence(length_s: float, reason: str, longest_s: float) -> None:
    """Raises ConfigError, saying what to do instead, if a silence may not be as asked for."""
    if not 0 < length_s <= longest_s:
        raise ConfigError(
            f"a silence lasts at most {format_duration(longest_s)} (`alerting.max_silence` in opsbot.yaml), "
            f"not {format_duration(length_s)}; it can be set anew before it ends"
        )
    if not MIN_REASON <= len(reason.strip()) <= MAX_REASON:
        raise ConfigError(
            f"a silence needs a reason of {MIN_REASON} to {MAX_REASON} characters: who reads it at 4 a.m. was not there"
        )
