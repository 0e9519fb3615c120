"""The alert: a value that says which rule holds for which labels since when.

Rules and policies emit it, the incident tracker consumes it; nothing after this point knows the cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from opsbot.alert.severity import SEVERITIES as SEVERITIES
from opsbot.alert.severity import Severity as Severity
from opsbot.alert.severity import to_severity
from opsbot.labels import fingerprint


class AlertState(StrEnum):
    """Prometheus's states of an alert."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule holding (or no longer holding) for one label set.

    Args:
        labels: identity, including `alertname` and `severity`.
        annotations: text for people: `summary`, `description`.
        state: pending, firing or resolved.
        starts_at: seconds since the epoch when it began to fire.
        ends_at: seconds since the epoch when it resolved; None while it fires.
        value: the number that the expression yielded, when there was one.
        source: who noticed: `watch`, `prometheus`, `policy`, `person`, or the receiver of a webhook.
        fingerprint: of the labels, unless the sender knows better what makes two of its alerts the same one.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    state: AlertState
    starts_at: float
    ends_at: float | None = None
    value: float | None = None
    source: str = "watch"
    fingerprint: str = field(default="")

    def __post_init__(self) -> None:
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", fingerprint(self.labels))

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.labels.get("alertname", "unnamed")

    @property
    def severity(self) -> Severity:
        """The severity label on our scale; `medium` when it is absent or a word that nobody knows."""
        return to_severity(self.labels.get("severity", "")) or "medium"
