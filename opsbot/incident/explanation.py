"""Why somebody was paged, or was not: what was decided about an alert, as the store remembers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opsbot.incident.incident import Incident

_WORDS: Mapping[str, str] = {
    "alert.dropped": "dropped, nobody was paged",
    "alert.ignored": "ignored, nobody was paged",
    "alert.inhibited": "hidden by another alert, nobody was paged",
    "alert.joined": "joined an incident that is open",
    "alert.left": "ended, others of its incident go on",
    "alert.over": "ended",
    "alert.silenced": "silenced, nobody was paged",
    "alert.waiting": "waits for others",
    "incident.blind": "went blind",
    "incident.held": "held its incident open",
    "incident.opened": "opened an incident",
    "incident.resolved": "resolved it",
    "incident.sighted": "sees again",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing that an alert made happen, or did not.

    Args:
        at: seconds since the epoch.
        kind: such as `incident.opened` or `alert.dropped`.
        alertname: None for what was decided before alerts were named here.
    """

    at: float
    fingerprint: str
    alertname: str | None
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known about what was asked for.

    Args:
        incidents: newest first.
        decisions: oldest first.
    """

    incidents: tuple[Incident, ...]
    decisions: tuple[Decision, ...]


def words_of(kind: str) -> str:
    """A decision's kind as people say it."""
    return _WORDS.get(kind, kind)
