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
    IncidentState.MITIGATED: frozenset({IncidentState.OPEN, IncidentState.ACKNOWLEDGED, IncidentState.RESOLVED}),
    IncidentState.RESOLVED: frozenset(),
}


class HoldKind(StrEnum):
    """Why an incident stays open although none of its alerts fires."""

    FLAPPING = "flapping"
    TREND = "trend"


@dataclass(frozen=True, slots=True)
class Hold:
    """An incident's alerts have ended and it stays open; *until* is when that is looked at again.

    Args:
        reason: one sentence for people; empty while it is not known yet.
        until: seconds since the epoch.
        severity: what the incident becomes at least; not kept.
    """

    kind: HoldKind
    reason: str
    until: float
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that is wrong, from its first alert to its end.

    Args:
        incident_id: `INC-` and a number that people can say aloud.
        fingerprint: the group of alerts that it is about.
        episode: 1 for the first incident of this group, then counting; a closed episode never reopens.
        title: its first alert's summary.
        description: its first alert's longer text; may be empty.
        severity: the worst of its alerts'.
        labels: what all of its alerts' labels have in common.
        opened_at, resolved_at: seconds since the epoch.
        acknowledged_by: Slack or CLI user id.
        value: the last number of its first alert's rule.
        is_blind: the source of one of its alerts does not answer, so its state is held, not known.
        lead: its first alert's fingerprint.
        num_alerts, num_firing: alerts that it ever had, each firing counted, and those that fire now.
        hold: why it stays open although nothing fires.
        merged_into: the incident that it is dealt with under; it ends with that one.
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
    lead: str = ""
    num_alerts: int = 1
    num_firing: int = 1
    hold: Hold | None = None
    merged_into: str | None = None

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
