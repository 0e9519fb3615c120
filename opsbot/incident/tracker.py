"""What an alert makes of an incident. Pure: an alert, the incident and a time go in; what changes comes out.

One incident for each episode of a group. An episode that is over never reopens; while one is held open after its
alerts have ended (they flap, or the trend is still lethal), an alert that fires again goes on with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from opsbot.alert.alert import SEVERITIES, Alert, Severity
from opsbot.incident.incident import Hold, HoldKind, Incident, IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.yamlfile import format_duration

BLIND_ANNOTATION = "opsbot_blind"
END_ANNOTATION = "opsbot_end"
LONGEST_END = 200
ACTOR = "opsbot"
MOST_TOLD = 5
"""Alerts that join or leave an incident one by one in its thread; more are only counted, and kept in its timeline."""


@dataclass(frozen=True, slots=True)
class Note:
    """One entry of the timeline that a change writes; a quiet one is not posted."""

    kind: str
    text: str
    is_broadcast: bool = False
    is_quiet: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """What one alert changes.

    Args:
        incident: new or changed; None if nothing is.
        kind, reason: for the decision record, when anything was decided.
    """

    incident: Incident | None = None
    kind: str = ""
    reason: str = ""
    notes: tuple[Note, ...] = ()


def entry(incident_id: str, note: Note, now: float, *, suffix: str) -> TimelineEntry:
    """A timeline entry of the bot's own about an incident."""
    key = f"{incident_id}:{note.kind}:{suffix}"
    return TimelineEntry(key, incident_id, now, ACTOR, note.kind, note.text, note.is_broadcast)


def opened(alert: Alert, group: str, episode: int, now: float) -> Changes:
    """A new incident; its id is only known once the store has numbered it."""
    incident = Incident(
        incident_id="",
        fingerprint=group,
        episode=episode,
        title=_title(alert),
        description=alert.annotations.get("description", ""),
        severity=alert.severity,
        labels=dict(alert.labels),
        state=IncidentState.OPEN,
        opened_at=now,
        updated_at=now,
        value=alert.value,
        is_blind=is_blind(alert),
        lead=alert.fingerprint,
        num_alerts=1,
        num_firing=1,
    )
    text = f"{alert.name} fires: {incident.title}"
    return Changes(incident, "incident.opened", text, (Note("incident.opened", text),))


def joined(alert: Alert, incident: Incident, now: float) -> Changes:
    """One more alert of the incident's group fires."""
    severity = _worse(alert.severity, incident.severity)
    updated = replace(
        incident,
        severity=severity,
        labels=_common(incident.labels, alert.labels),
        num_alerts=incident.num_alerts + 1,
        num_firing=incident.num_firing + 1,
        is_blind=incident.is_blind or is_blind(alert),
        updated_at=now,
    )
    text = f"{alert.name} fires too: {_title(alert)}"
    notes = [Note("alert.joined", text, is_quiet=incident.num_alerts >= MOST_TOLD)]
    if incident.hold is not None:
        state = IncidentState.OPEN if incident.acknowledged_by is None else IncidentState.ACKNOWLEDGED
        # Somebody may have taken it while it was held.
        updated = replace(updated if updated.state is state else updated.move(state, now), hold=None)
        text = f"Fires again: {_title(alert)}"
        notes = [Note("incident.fires_again", text, is_broadcast=incident.num_alerts < MOST_TOLD)]
    if severity != incident.severity:
        raised = f"Severity raised from {incident.severity} to {severity}: {_title(alert)}"
        notes.append(Note("incident.severity_raised", raised, is_broadcast=True))
    return Changes(updated, "alert.joined", f"belongs to {incident.incident_id}: {text}", tuple(notes))


def refreshed(alert: Alert, incident: Incident, now: float, *, is_blind_now: bool) -> Changes:
    """An alert of the incident still fires, with a newer value; *is_blind_now*: any of its alerts is blind."""
    value = alert.value if alert.fingerprint == incident.lead else incident.value
    if is_blind_now == incident.is_blind and value == incident.value:
        return Changes()
    updated = replace(incident, is_blind=is_blind_now, value=value, updated_at=now)
    if is_blind_now == incident.is_blind:
        return Changes(updated)
    if is_blind_now:
        text = "We see nothing any more: the metrics behind this alert are missing. Its state is held, not recovered"
        kind = "incident.blind"
    else:
        text, kind = "The metrics behind this alert are back", "incident.sighted"
    return Changes(updated, kind, text, (Note(kind, text, is_broadcast=True),))


def left(alert: Alert, incident: Incident, now: float, note: str = "") -> Changes:
    """One of the incident's alerts has ended, *note* may say why; what the last one's end means is `ended`'s to say."""
    num_firing = incident.num_firing - 1
    updated = replace(incident, num_firing=num_firing, updated_at=now)
    if not num_firing:
        return Changes(updated)
    is_quiet = incident.num_alerts - num_firing > MOST_TOLD
    text = f"No longer: {_title(alert)} ({num_firing} still {'fires' if num_firing == 1 else 'fire'})"
    text += f". {note}" if note else ""
    return Changes(updated, "alert.left", text, (Note("alert.left", text, is_quiet=is_quiet),))


def ended(incident: Incident, name: str, now: float, note: str = "") -> Changes:
    """Nothing of the incident fires any more and nothing holds it; *note* may say why."""
    updated = replace(incident.move(IncidentState.RESOLVED, now), is_blind=False, hold=None)
    text = f"Resolved: {name} no longer fires" + (f". {note}" if note else "")
    return Changes(updated, "incident.resolved", text, (Note("incident.resolved", text, is_broadcast=True),))


def held(incident: Incident, hold: Hold, now: float) -> Changes:
    """Nothing of the incident fires any more, and it stays open all the same."""
    updated = incident if incident.state is IncidentState.MITIGATED else incident.move(IncidentState.MITIGATED, now)
    severity = incident.severity if hold.severity is None else _worse(hold.severity, incident.severity)
    updated = replace(updated, is_blind=False, hold=hold, updated_at=now, severity=severity)
    if severity != incident.severity:
        text = f"{hold.reason}. Severity raised from {incident.severity} to {severity}"
        return Changes(updated, "incident.held", text, (Note("incident.held", text, is_broadcast=True),))
    if not hold.reason or (incident.hold is not None and incident.hold.reason):
        # Not known yet, or told already: its message shows the newest reason.
        return Changes(updated)
    return Changes(updated, "incident.held", hold.reason, (Note("incident.held", hold.reason, is_broadcast=True),))


def flapping(count: int, window_s: float, quiet_s: float, now: float) -> Hold:
    """The hold of an incident whose alert comes and goes."""
    return Hold(
        HoldKind.FLAPPING,
        f"It comes and goes: {count} times within {format_duration(window_s)}. Stays open until it has been quiet for "
        f"{format_duration(quiet_s)}",
        now + quiet_s,
    )


def is_blind(alert: Alert) -> bool:
    """Whether the data behind *alert* is missing, so that its state is held and not known."""
    return alert.annotations.get(BLIND_ANNOTATION) == "true"


def why_ended(alert: Alert) -> str:
    """Why *alert* has ended although its rule does not say so; empty for one that has recovered."""
    why = alert.annotations.get(END_ANNOTATION, "")[:LONGEST_END]
    return f"Not because it recovered: {why}" if why else ""


def _title(alert: Alert) -> str:
    return alert.annotations.get("summary", alert.name)


def _worse(one: Severity, other: Severity) -> Severity:
    return min(one, other, key=SEVERITIES.index)


def _common(one: Mapping[str, str], other: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in one.items() if other.get(name) == value}
