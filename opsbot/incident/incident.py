"""The incident and its state machine: open → acknowledged → mitigated → resolved.

A value; the tracker makes new ones from alerts, the store keeps them, Slack shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from opsbot.alert.alert import Severity
from opsbot.errors import InvalidTransition


class IncidentState(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"


TRANSITIONS: Mapping[IncidentState, frozenset[IncidentState]] = {
    IncidentState.OPEN: frozenset({IncidentState.ACKNOWLEDGED, IncidentState.MITIGATED, IncidentState.RESOLVED}),
    IncidentState.ACKNOWLEDGED: frozenset({IncidentState.MITIGATED, IncidentState.RESOLVED}),
    IncidentState.MITIGATED: frozenset({IncidentState.ACKNOWLEDGED, IncidentState.RESOLVED}),
    IncidentState.RESOLVED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that is wrong, from its first alert to its end.

    Args:
        incident_id: `INC-` and a number that people can say aloud.
        fingerprint: the label set that identifies the cause.
        episode: 1 for the first firing of this fingerprint, then counting; a closed episode never reopens.
        title: the alert's summary.
        description: the alert's longer text; may be empty.
        labels: the alert's labels.
        opened_at, resolved_at: seconds since the epoch.
        acknowledged_by: Slack or CLI user id.
        value: the last number the rule yielded.
        is_blind: the source of its alert does not answer, so its state is held, not known.
    """

    incident_id: str
    fingerprint: str
    episode: int
    title: str
    description: str
    severity: Severity
    labels: Mapping[str, str]
    state: IncidentState
    opened_at: float
    updated_at: float
    acknowledged_by: str | None = None
    resolved_at: float | None = None
    value: float | None = None
    is_blind: bool = False

    @property
    def is_resolved(self) -> bool:
        return self.state is IncidentState.RESOLVED

    def move(self, state: IncidentState, now: float) -> Incident:
        """The same incident in another state.

        Raises: InvalidTransition if TRANSITIONS has no such step.
        """
        if state not in TRANSITIONS[self.state]:
            raise InvalidTransition(
                f"incident {self.incident_id} is {self.state.value} and cannot become {state.value}"
            )
        resolved_at = now if state is IncidentState.RESOLVED else self.resolved_at
        return replace(self, state=state, updated_at=now, resolved_at=resolved_at)
