"""An incident in one line: how bad, where, what. The header of its message, and what a notification shows first.

Pure. Notifications cut after about sixty characters, so the cluster stands at the front unless the title has it there.
"""

from __future__ import annotations

from collections.abc import Mapping

from opsbot.incident.incident import Incident, IncidentState
from opsbot.incident.view import IncidentView
from opsbot.slack.doing import doing
from opsbot.slack.limits import MAX_HEADER_TEXT, MAX_MESSAGE_TEXT
from opsbot.slack.text import duration, literal, plain, shorten

STATE_EMOJI: Mapping[IncidentState, str] = {
    IncidentState.OPEN: "🔴",
    IncidentState.ACKNOWLEDGED: "🟠",
    IncidentState.MITIGATED: "🟡",
    IncidentState.RESOLVED: "✅",
}
SEEN_AT_ONCE = 60
"""Characters of a notification that a phone shows for sure; our own reading of iOS and Android."""
MAX_PLACE = 24
MAX_TITLE = 300
MAX_DOING = 1000


def headline(incident: Incident) -> str:
    """`Critical on eu-1: time to first token is over budget and 2 more`; not yet escaped."""
    rest = f"{incident.title}{more(incident)}"
    if incident.is_resolved:
        return f"Resolved: {rest}"
    severity = str(incident.severity).capitalize()
    place = incident.labels.get("cluster", "")
    is_there = place.casefold() in rest[: SEEN_AT_ONCE - len(severity) - 2].casefold()
    return f"{severity}: {rest}" if is_there else f"{severity} on {shorten(place, MAX_PLACE)}: {rest}"


def header(incident: Incident) -> str:
    """The headline behind its state's mark, in plain text."""
    return f"{STATE_EMOJI[incident.state]} {plain(headline(incident), MAX_HEADER_TEXT - 3)}"


def fallback(view: IncidentView, now: float) -> str:
    """What notifications and screen readers are given, in mrkdwn: what is wrong, then what is being done."""
    incident = view.incident
    text = literal(shorten(headline(incident), MAX_TITLE))
    if incident.is_resolved:
        ended_at = incident.updated_at if incident.resolved_at is None else incident.resolved_at
        return f"{text} ({incident.incident_id}, after {duration(ended_at - incident.opened_at)})"
    text += f" ({incident.incident_id}, {incident.state.value})."
    if incident.is_blind:
        text += " No metrics: its state is held, not known."
    if view.halt is not None:
        text += " All runs are stopped."
    found = doing(view, now)
    return shorten(f"{text} {found.label}: {literal(shorten(found.text, MAX_DOING))}.", MAX_MESSAGE_TEXT)


def more(incident: Incident) -> str:
    """` and 2 more` alerts; empty for one."""
    num_others = incident.num_alerts - 1
    return f" and {num_others} more" if num_others > 0 else ""
