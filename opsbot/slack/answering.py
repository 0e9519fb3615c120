"""Who has an incident, how long that took, and who is asked while nobody has: parts of its message."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import EscalationView, IncidentView
from opsbot.slack.text import clock_time, duration, literal, person, shorten

MAX_WHO = 80


def holder(view: IncidentView) -> str:
    """Who has the incident, in mrkdwn; a mention in an edit is heard by nobody."""
    who = view.incident.acknowledged_by
    if who is None:
        return "*Nobody has it yet*"
    taken = _taken(view)
    after = "" if taken is None else f", taken after {duration(taken.at - view.incident.opened_at)}"
    return f"*{person(shorten(who, MAX_WHO))} has it*{after}"


def had_by(view: IncidentView) -> Sequence[str]:
    """Of an incident that is over: at most one line."""
    taken = _taken(view)
    if taken is None:
        return []
    return [f"Taken by {person(taken.actor)} after *{duration(taken.at - view.incident.opened_at)}*"]


def escalation_lines(view: IncidentView) -> Sequence[str]:
    """Who is asked while nobody has it: at most one line."""
    incident = view.incident
    if view.escalation is None or incident.is_resolved or incident.acknowledged_by is not None:
        return []
    return [_escalation_line(view.escalation)]


def _taken(view: IncidentView) -> TimelineEntry | None:
    # Later entries of the same person are the same answer said again.
    who = view.incident.acknowledged_by
    return next(
        (entry for entry in view.timeline if entry.kind == "incident.acknowledged" and entry.actor == who), None
    )


def _escalation_line(escalation: EscalationView) -> str:
    # Names and no mentions: the thread has woken them, and this message must not do so again.
    who = literal(", ".join(escalation.asked)) or "nobody is on call"
    where = f"Escalation {literal(escalation.policy_id)}: level {escalation.level} of {escalation.num_levels}, {who}"
    match escalation.state:
        case "waiting" if escalation.next_at is not None:
            return f"{where}; until {clock_time(escalation.next_at)} to answer"
        case "unanswered":
            return f"*Nobody answered.* {where}, was the last"
        case _:
            return where
