"""What one channel has not taken for too long, so that the other one must say it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from opsbot.alert.alert import Severity

WAKING: tuple[Severity, ...] = ("critical", "high", "medium")
"""Severities for which somebody is woken when Slack cannot say them; the others wait until it can."""
MOST_NAMED = 20
NEVER_SENT = "never"
LAPSED = "lapsed:"
"""What a page's item keeps as sent: nothing so far, and an acknowledgement that has run out (by whom follows)."""
SLACK_PAGE = "slack"
"""What the page is about that says that Slack cannot be spoken in; other pages are about an incident's id."""


@dataclass(frozen=True, slots=True)
class Untaken:
    """A page of an open incident that the pager has never taken.

    Args:
        opened_at: of the incident, seconds since the epoch.
        why: its last error; empty before the first.
    """

    incident_id: str
    opened_at: float
    why: str
    is_given_up: bool


@dataclass(frozen=True, slots=True)
class Unheard:
    """Open incidents that nobody has, of which something waits to be said and which no page tells of.

    Args:
        incident_ids: the first MOST_NAMED of them, oldest first.
        num_incidents: all of them.
        oldest_at: since when the first has waited, seconds since the epoch; None where there is none.
    """

    incident_ids: tuple[str, ...] = ()
    num_incidents: int = 0
    oldest_at: float | None = None

    @classmethod
    def of(cls, waiting: Collection[tuple[str, float]]) -> Unheard:
        """From incidents and since when each has waited, oldest first, an incident perhaps several times."""
        first: dict[str, float] = {}
        for incident_id, since in waiting:
            first.setdefault(incident_id, since)
        return cls(tuple(first)[:MOST_NAMED], len(first), min(first.values(), default=None))
