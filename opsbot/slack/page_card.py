"""A page in an incident's thread: whom it woke, with what an on-call tool's card has, edited as the incident goes on.

Pure. The sentence on top is what notifies; the card below it says number, title, urgency, service, assignee and what
triggered it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from slack_sdk.models.blocks import SectionBlock

from opsbot.incident.incident import IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import IncidentView
from opsbot.slack.blocks import Message, timeline_entry
from opsbot.slack.buttons import block_id
from opsbot.slack.text import duration, literal, mrkdwn, person, shorten

HIGH_URGENCY = ("critical", "high")
"""As PagerDuty has it: these wake people, the others wait for the morning."""
MAX_VALUE = 150
MAX_TITLE = 300
MOST_NAMES = 4
STATE_WORDS = {
    IncidentState.OPEN: "🔴 *Triggered*",
    IncidentState.ACKNOWLEDGED: "🟠 *Acknowledged*",
    IncidentState.MITIGATED: "🟡 *Mitigated*",
    IncidentState.RESOLVED: "✅ *Resolved*",
}
_ASKED = re.compile(r"^@[UW][A-Z0-9]{2,}(?:, @[UW][A-Z0-9]{2,})*(?=:)")


def page_card(entry: TimelineEntry, view: IncidentView) -> Message:
    """The reply about one page, with the incident's state as it is now."""
    incident = view.incident
    reply = timeline_entry(entry)
    title = literal(shorten(incident.title, MAX_TITLE))
    head = f"{STATE_WORDS[incident.state]} {incident.incident_id} {title}"
    facts = [
        ("Urgency", "High" if incident.severity in HIGH_URGENCY else "Low"),
        ("Service", _service(view)),
        ("Assigned to", _assignee(entry, view)),
        ("Triggered by", _triggered_by(view)),
        ("State", _state(view)),
    ]
    blocks = (
        SectionBlock(block_id=block_id("page", entry.key), text=mrkdwn(reply.text)),
        SectionBlock(
            block_id=block_id("card", entry.key),
            text=mrkdwn(head),
            fields=[mrkdwn(f"*{name}*\n{value}") for name, value in facts],
        ),
    )
    return Message(reply.text, blocks)


def _service(view: IncidentView) -> str:
    labels = view.incident.labels
    found = [labels[name] for name in ("service", "job", "model_name", "cluster") if labels.get(name)]
    return literal(shorten(" · ".join(dict.fromkeys(found)), MAX_VALUE)) or "not said"


def _assignee(entry: TimelineEntry, view: IncidentView) -> str:
    if view.incident.acknowledged_by is not None:
        return person(shorten(view.incident.acknowledged_by, MAX_VALUE))
    asked = _ASKED.match(entry.text)
    if entry.kind == "escalation.notified" and asked is not None:
        return re.sub(r"@(\w+)", r"<@\1>", asked[0])
    return (
        literal(shorten(", ".join(view.escalation.asked), MAX_VALUE))
        if view.escalation is not None
        else "whoever is on call"
    )


def _triggered_by(view: IncidentView) -> str:
    names: Sequence[str] = list(dict.fromkeys(alert.name for alert in view.alerts))
    names = names or [view.incident.labels.get("alertname", "")]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return (literal(shorten(", ".join(names[:MOST_NAMES]), MAX_VALUE)) or "not said") + more


def _state(view: IncidentView) -> str:
    incident = view.incident
    if incident.is_resolved:
        ended_at = incident.updated_at if incident.resolved_at is None else incident.resolved_at
        return f"Resolved after {duration(ended_at - incident.opened_at)}"
    taken = next((entry for entry in view.timeline if entry.kind == "incident.acknowledged"), None)
    if incident.acknowledged_by is not None and taken is not None:
        return f"Acknowledged after {duration(taken.at - incident.opened_at)}"
    return "Nobody has it yet" if incident.acknowledged_by is None else "Acknowledged"
