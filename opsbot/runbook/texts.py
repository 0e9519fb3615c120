"""What a run writes on the timeline: short plain sentences, for somebody who was just woken.

Each has a key made of run, step and fact, so that writing it again after a crash leaves one entry.
"""

from __future__ import annotations

import hashlib

from opsbot.incident.timeline import TimelineEntry
from opsbot.people import Role
from opsbot.runbook.action import Description
from opsbot.runbook.model import Approval, Verify
from opsbot.runbook.run import Run
from opsbot.yamlfile import format_duration

ACTOR = "opsbot"

ROLE_NAMES: dict[Role, str] = {
    "viewer": "viewers",
    "responder": "responders",
    "commander": "commanders",
    "trust_and_safety": "trust & safety",
    "author": "authors",
}


def entry(
    run: Run, fact: str, kind: str, text: str, at: float, *, step_id: str = "", is_broadcast: bool = False
) -> TimelineEntry:
    """A timeline entry of a run; *fact* tells it from the run's (or the step's) other entries."""
    place = f"{run.run_id}:{step_id}" if step_id else run.run_id
    return TimelineEntry(
        key=f"{place}:{fact}",
        incident_id=run.incident_id,
        at=at,
        actor=ACTOR,
        kind=kind,
        text=text,
        is_broadcast=is_broadcast,
    )


def asked(role: Role, description: Description, approval: Approval | None) -> str:
    """The request for an approval."""
    reason = f" {approval.reason}" if approval and approval.reason else ""
    return f"Asked {ROLE_NAMES[role]} to approve: {description.will_do}.{reason} Afterwards: {description.undo}."


def verified(verify: Verify) -> str:
    """The condition held."""
    return f"Verified: {verify.means or verify.expr} (held for {format_duration(verify.for_s)})"


def not_verified(verify: Verify) -> str:
    """The condition did not hold."""
    return f"Did not help: not seen within {format_duration(verify.timeout_s)}: {verify.means or verify.expr}"


def cannot_verify(verify: Verify) -> str:
    """There was no data to tell."""
    return (
        f"Cannot tell whether it helped: no data for {verify.means or verify.expr}. "
        "The setting is kept; a person must look."
    )


def short_digest(text: str) -> str:
    """Tells one reason from another in an entry's key."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]
