"""Alerts in, incidents out. Pure: an alert, what is known, and a time go in; what must change comes out.

One incident for each episode of a fingerprint. An episode that is over never reopens: a late duplicate of it is
dropped, with a reason that can be asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from opsbot.alert.alert import Alert, AlertState
from opsbot.incident.incident import Incident, IncidentState
from opsbot.incident.timeline import TimelineEntry

BLIND_ANNOTATION = "opsbot_blind"
ACTOR = "opsbot"


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of an alert's fingerprint.

    Args:
        open: its incident that is not resolved, if there is one.
        last_episode: number of its newest episode; 0 before the first.
        last_starts_at: when that episode began to fire, by the alert's own account.
    """

    open: Incident | None
    last_episode: int
    last_starts_at: float


@dataclass(frozen=True, slots=True)
class Changes:
    """What one alert changes.

    Args:
        opened: a new incident; its id is only known once the store has numbered it.
        updated: a changed one.
        kind, reason: for the decision record, when anything was decided.
        entries: (kind, text, is_broadcast) of the timeline, in order.
    """

    opened: Incident | None = None
    updated: Incident | None = None
    kind: str = ""
    reason: str = ""
    entries: tuple[tuple[str, str, bool], ...] = ()


def track(alert: Alert, known: Known, now: float) -> Changes:
    """What *alert* changes, given what is known of its fingerprint."""
    if alert.state is AlertState.FIRING:
        return _refresh(alert, known.open, now) if known.open is not None else _open(alert, known, now)
    if alert.state is AlertState.RESOLVED:
        return _resolve(alert, known.open, now)
    return Changes(kind="alert.ignored", reason="pending alerts open nothing")


def entry(incident_id: str, kind: str, text: str, now: float, *, is_broadcast: bool, suffix: str) -> TimelineEntry:
    """A timeline entry of the bot's own about an incident."""
    return TimelineEntry(f"{incident_id}:{kind}:{suffix}", incident_id, now, ACTOR, kind, text, is_broadcast)


def _open(alert: Alert, known: Known, now: float) -> Changes:
    if known.last_episode and alert.starts_at <= known.last_starts_at:
        return Changes(kind="alert.dropped", reason=f"a late duplicate of episode {known.last_episode}, which is over")
    incident = Incident(
        incident_id="",
        fingerprint=alert.fingerprint,
        episode=known.last_episode + 1,
        title=alert.annotations.get("summary", alert.name),
        description=alert.annotations.get("description", ""),
        severity=alert.severity,
        labels=dict(alert.labels),
        state=IncidentState.OPEN,
        opened_at=now,
        updated_at=now,
        value=alert.value,
        is_blind=_is_blind(alert),
    )
    text = f"{alert.name} fires: {incident.title}"
    return Changes(opened=incident, kind="incident.opened", reason=text, entries=(("incident.opened", text, False),))


def _refresh(alert: Alert, incident: Incident, now: float) -> Changes:
    is_blind = _is_blind(alert)
    if is_blind == incident.is_blind and alert.value == incident.value:
        return Changes()
    updated = replace(incident, is_blind=is_blind, value=alert.value, updated_at=now)
    if is_blind == incident.is_blind:
        return Changes(updated=updated)
    if is_blind:
        text = "We see nothing any more: the metrics behind this alert are missing. Its state is held, not recovered"
        kind = "incident.blind"
    else:
        text, kind = "The metrics behind this alert are back", "incident.sighted"
    return Changes(updated=updated, kind=kind, reason=text, entries=((kind, text, True),))


def _resolve(alert: Alert, incident: Incident | None, now: float) -> Changes:
    if incident is None:
        return Changes(kind="alert.dropped", reason="resolved, but no incident of it is open")
    updated = incident.move(IncidentState.RESOLVED, now)
    updated = replace(updated, is_blind=False)
    text = f"Resolved: {alert.name} no longer fires"
    return Changes(updated=updated, kind="incident.resolved", reason=text, entries=(("incident.resolved", text, True),))


def _is_blind(alert: Alert) -> bool:
    return alert.annotations.get(BLIND_ANNOTATION) == "true"
