"""Why somebody was paged, or was not: what was decided about an alert, as the store remembers it."""

from __future__ import annotations

from dataclasses import dataclass

from opsbot.incident.incident import Incident


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
