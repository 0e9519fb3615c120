"""What PagerDuty is to know of an incident. Pure: an incident and what was sent last go in, the next event comes out.

The event follows from the incident's state, so that whatever was missed meanwhile, the next one puts it right.

Source: PagerDuty's developer documentation, "Send an Alert Event" (Events API v2) and "PD-CEF".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, Literal

from opsbot.alert.alert import Severity
from opsbot.incident.incident import Incident, IncidentState
from opsbot.notify.overdue import LAPSED, NEVER_SENT

Action = Literal["trigger", "acknowledge", "resolve"]

SEVERITIES: Mapping[Severity, str] = {
    "critical": "critical",
    "high": "error",
    "medium": "warning",
    "low": "info",
    "info": "info",
}
"""Ours to PagerDuty's; critical and error are what it calls high urgency."""
MAX_SUMMARY = 1024
MAX_LABELS = 32
MAX_VALUE = 200
NEVER = NEVER_SENT
"""What was sent of an incident that did not page."""


@dataclass(frozen=True, slots=True)
class PageEvent:
    """One event of the Events API.

    Args:
        severity: PagerDuty's word; only a trigger has one.
    """

    action: Action
    severity: str = ""

    def __str__(self) -> str:
        """As it is remembered: `trigger:error`."""
        return f"{self.action}:{self.severity}" if self.severity else self.action


def next_event(incident: Incident, paged: Set[Severity], sent: str) -> PageEvent | None:
    """What PagerDuty must be told now; None if it knows all.

    Args:
        paged: severities that page somebody.
        sent: the last event that it took, as text; NEVER if it took none.
    """
    is_over = incident.is_resolved or incident.merged_into is not None
    if sent == NEVER:
        # Whoever has it already needs no page, and what is over even less.
        wakes = incident.severity in paged and incident.state is IncidentState.OPEN and not is_over
        return _trigger(incident) if wakes else None
    wanted = _standing(incident, is_over=is_over, sent=sent)
    if wanted.action == "acknowledge" and sent == lapsed(incident.acknowledged_by):
        # It wakes people there again; that is for somebody to answer, not for what we know from before.
        return None
    return None if str(wanted) == sent else wanted


def lapsed(user_id: str | None) -> str:
    """What is remembered as sent once an acknowledgement by *user_id* has run out in PagerDuty."""
    return f"{LAPSED}{hashlib.sha256((user_id or '').encode()).hexdigest()[:16]}"


def dedup_key(instance: str, incident_id: str) -> str:
    """The key under which PagerDuty knows an incident; the same one again is the same page."""
    return f"opsbot:{instance}:{incident_id}"


def incident_of_key(instance: str, key: str) -> str | None:
    """The incident that a key is of; None for the keys of others."""
    prefix = dedup_key(instance, "")
    return key.removeprefix(prefix) if key.startswith(prefix) else None


def payload(incident: Incident) -> dict[str, Any]:
    """The body of a trigger; labels only, nothing that users wrote."""
    summary = f"{incident.incident_id} {incident.title}"
    if incident.num_alerts > 1:
        summary += f" and {incident.num_alerts - 1} more"
    labels = {name: value[:MAX_VALUE] for name, value in list(incident.labels.items())[:MAX_LABELS]}
    return {
        "summary": summary[:MAX_SUMMARY],
        "source": incident.labels.get("cluster") or "opsbot",
        "severity": SEVERITIES[incident.severity],
        "component": incident.labels.get("service", "serving"),
        "group": incident.labels.get("cluster", ""),
        "class": incident.labels.get("alertname", ""),
        "custom_details": {"incident": incident.incident_id, "severity": incident.severity, "labels": labels},
    }


def _standing(incident: Incident, *, is_over: bool, sent: str) -> PageEvent:
    if is_over:
        return PageEvent("resolve")
    match incident.state:
        case IncidentState.OPEN:
            return _trigger(incident)
        case IncidentState.ACKNOWLEDGED:
            return PageEvent("acknowledge")
        case _ if incident.acknowledged_by is not None:
            return PageEvent("acknowledge")
        case _ if sent.startswith("trigger"):
            # Mitigated by a runbook and nobody has it: the page goes on.
            return _trigger(incident)
        case _:
            return PageEvent("acknowledge")


def _trigger(incident: Incident) -> PageEvent:
    return PageEvent("trigger", SEVERITIES[incident.severity])
