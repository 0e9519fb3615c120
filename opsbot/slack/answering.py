"""Who has an incident, how long that took, and who is asked while nobody has: lines of its message."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.incident.view import EscalationView, IncidentView
from opsbot.slack.text import clock_time, duration, escape, person


def answer_lines(view: IncidentView) -> Sequence[str]:
    """At most two lines of mrkdwn."""
    incident = view.incident
    # Later entries of the same person are the same answer said again.
    taken = next(
        (
            entry
            for entry in view.timeline
            if entry.kind == "incident.acknowledged" and entry.actor == incident.acknowledged_by
        ),
        None,
    )
    if taken is not None:
        return [f"Taken by {person(taken.actor)} after *{duration(taken.at - incident.opened_at)}*"]
    if view.escalation is None or incident.is_resolved or incident.acknowledged_by is not None:
        return []
    return [_escalation_line(view.escalation)]


def _escalation_line(escalation: EscalationView) -> str:
    # Names and no mentions: the thread has woken them, and this message must not do so again.
    who = escape(", ".join(escalation.asked)) or "nobody is on call"
    where = f"Escalation {escape(escalation.policy_id)}: level {escalation.level} of {escalation.num_levels}, {who}"
    match escalation.state:
        case "waiting" if escalation.next_at is not None:
            return f"{where}; until {clock_time(escalation.next_at)} to answer"
        case "unanswered":
            return f"⚠ *Nobody answered.* {where}, was the last"
        case _:
            return where
