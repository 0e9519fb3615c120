"""An alert as the store keeps it: one firing of one label set, from its first arrival to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from opsbot.alert.alert import Alert, AlertState


class Hiding(StrEnum):
    """Why an alert that fires has opened nothing."""

    SILENCE = "silence"
    INHIBITION = "inhibition"
    GROUP_WAIT = "group_wait"


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """One episode of one alert; times in seconds since the epoch.

    Args:
        number: of the record.
        episode: 1 for the first firing of this label set, then counting.
        state: firing or resolved.
        received_at: when it reached us first.
        incident_id: the incident that it belongs to, if it has one.
        hiding: why it belongs to none, while it fires.
        hidden_by: the silence's id or the hiding alert's fingerprint.
        hidden_until: when a wait ends.
    """

    number: int
    fingerprint: str
    episode: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    source: str
    state: AlertState
    starts_at: float
    received_at: float
    ends_at: float | None = None
    value: float | None = None
    is_blind: bool = False
    incident_id: str | None = None
    hiding: Hiding | None = None
    hidden_by: str | None = None
    hidden_until: float | None = None

    @property
    def is_firing(self) -> bool:
        return self.state is AlertState.FIRING

    @property
    def alert(self) -> Alert:
        """The alert as it came last."""
        return Alert(
            self.labels,
            self.annotations,
            self.state,
            self.starts_at,
            self.ends_at,
            self.value,
            self.source,
            self.fingerprint,
        )
