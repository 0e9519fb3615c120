"""How long a run holds what it has set, and the incident that is open for that run alone and ends with it."""

from __future__ import annotations

from opsbot.clock import to_minute
from opsbot.errors import InvalidTransition
from opsbot.incident.incident import IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.runbook.loader import pinned_runbook
from opsbot.runbook.run import Run, RunState
from opsbot.runbook.store import RunStore
from opsbot.yamlfile import format_duration

FINGERPRINT = "manual:"
"""How the fingerprint of an incident begins that was opened for a run."""


HOLD_IS_OVER = "held for as long as was asked, and given back"


def how_held(run: Run, now: float) -> tuple[str, float | None]:
    """In words, and until when; None where the incident says when, or the moment is known already."""
    hold_s = pinned_runbook(run.runbook_json, run.revision).hold_s(run.inputs)
    if hold_s is None:
        return "held until the incident ends", None
    known = held_until(run)
    until = now + hold_s if known is None else known
    return f"held for {format_duration(hold_s)}, until {to_minute(until, now)}", None if known else until


def held_until(run: Run) -> float | None:
    """When a run that holds gives back by itself, seconds since the epoch; None if its incident says when."""
    if run.state is not RunState.HOLDING or pinned_runbook(run.runbook_json, run.revision).hold is None:
        return None
    return run.deadline


def close_own_incident(store: RunStore, run: Run, now: float) -> None:
    """Resolve it, unless alerts or other runs keep it open; harmless when repeated."""
    incident = store.incident(run.incident_id)
    is_own = incident.fingerprint.startswith(FINGERPRINT) and incident.num_alerts == 0
    if not is_own or incident.is_resolved or not pinned_runbook(run.runbook_json, run.revision).is_by_hand:
        return
    if any(one.incident_id == run.incident_id and one.run_id != run.run_id for one in store.unfinished()):
        return
    text = "The run that this was opened for is over and holds nothing."
    said = TimelineEntry(f"{run.run_id}:closed", run.incident_id, now, "opsbot", "incident.resolved", text)
    try:
        store.move_incident(run.incident_id, IncidentState.RESOLVED, now, entry=said)
    except InvalidTransition:
        # Somebody merged or resolved it a moment ago.
        return
