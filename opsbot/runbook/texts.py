"""What a run writes on the timeline: short plain sentences, for somebody who was just woken.

Each has a key made of run, step and fact, so that writing it again after a crash leaves one entry.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from opsbot.incident.timeline import TimelineEntry
from opsbot.people import Role
from opsbot.runbook.action import Description
from opsbot.runbook.model import Announce, Approval, Step, Verify
from opsbot.runbook.run import Run
from opsbot.yamlfile import format_duration

ACTOR = "opsbot"
MOST_SHOWN = 60

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


def who(approval: Approval) -> str:
    """Who is asked: `2 of commanders or trust & safety`."""
    names = " or ".join(ROLE_NAMES[role] for role in approval.roles)
    return names if approval.count == 1 else f"{approval.count} of {names}"


def asked(description: Description, approval: Approval) -> str:
    """The request for an approval."""
    reason = f" {approval.reason}" if approval.reason else ""
    late = " If nobody decides, it is done." if approval.on_timeout == "proceed" else ""
    return f"Asked {who(approval)} to approve: {description.will_do}.{reason} Afterwards: {description.undo}.{late}"


def announced(message: str, announce: Announce, step: Step) -> str:
    """The announcement, for the thread."""
    call = " Whoever has capacity to spare, say so now." if announce.calls_for_capacity else ""
    return (
        f"{message}{call} It is done {format_duration(announce.for_s)} after this could be read, "
        "unless somebody objects."
    )


def shown(item: object) -> str:
    """An item of a `foreach`, short."""
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False, default=str)
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"


def together(descriptions: Sequence[Description], items: Sequence[object], step: Step) -> Description:
    """One description of several calls: the first is told in full, and for what else it is done."""
    first = descriptions[0]
    if len(descriptions) == 1:
        return first
    names = ", ".join(shown(item) for item in items)
    stages = ", ".join(f"{share.amount}{'%' if share.is_percent else ''}" for share in step.stages)
    how = (
        f" in stages of {stages}, each verified"
        if stages and step.verify
        else f" in stages of {stages}"
        if stages
        else ""
    )
    return Description(f"do this for each of {names}{how}; the first: {first.will_do}", first.undo)


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
