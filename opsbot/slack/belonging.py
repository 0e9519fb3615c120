"""What belongs to an incident, in a few lines of mrkdwn: its alerts, what to do about them, related incidents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opsbot.incident.view import IncidentView, LinkView
from opsbot.slack.text import literal, shorten

MOST_LISTED = 8
MAX_SUMMARY = 150


def alert_lines(view: IncidentView) -> Iterator[str]:
    """How many alerts fire, and which; then what people do about them, where a rule says so."""
    incident = view.incident
    if incident.num_alerts > 1:
        yield f"*{incident.num_firing} of {incident.num_alerts} alerts fire*"
        firing = [alert for alert in view.alerts if alert.is_firing]
        yield from (f"• {literal(shorten(alert.summary, MAX_SUMMARY))}" for alert in firing[:MOST_LISTED])
        left_out = incident.num_firing - len(firing[:MOST_LISTED])
        if left_out > 0:
            yield f"• … and {left_out} more"
    runbooks = list(dict.fromkeys(alert.runbook for alert in view.alerts if alert.runbook))
    yield from (f"What to do: {_runbook(text)}" for text in runbooks[:3])


def link_lines(view: IncidentView) -> Iterator[str]:
    """Incidents that are dealt with here, and those that have to do with this one."""
    if view.merged:
        yield f"Dealt with here too: {_names(view.merged)}"
    for link in view.links[:MOST_LISTED]:
        yield f"Related: *{link.incident_id}* ({link.state}) {literal(shorten(link.reason, MAX_SUMMARY))}"


def _names(links: Sequence[LinkView]) -> str:
    return ", ".join(
        f"*{link.incident_id}* {literal(shorten(link.title, MAX_SUMMARY))}" for link in links[:MOST_LISTED]
    )


def _runbook(text: str) -> str:
    # An address is shown as one; a runbook's id is what `runbooks/` calls it.
    return literal(shorten(text, MAX_SUMMARY)) if "/" in text else f"runbook *{literal(shorten(text, MAX_SUMMARY))}*"
