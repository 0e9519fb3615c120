"""What is a trust and safety matter, so that only people with that role read it.

Pure. An alert says so by its labels; a run, by asking nobody but trust and safety for an approval. An incident is such
a matter if an alert of it is, or if a run of that kind is what it is there for; such a run that a person started for
another incident is a matter of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache

from opsbot.incident.view import IncidentView
from opsbot.people import Role

TEAMS = frozenset({"trust-and-safety", "trust_and_safety"})
"""Values of the label `team`."""
ROLE: Role = "trust_and_safety"


def is_matter(labels: Mapping[str, str]) -> bool:
    """Whether an alert with these labels is one: a policy over the request log found something, or it is the team's."""
    return bool(labels.get("policy")) or labels.get("team", "").casefold() in TEAMS


def is_restricted(view: IncidentView) -> bool:
    """Whether the whole incident is one."""
    if any(is_matter(labels) for labels in (view.incident.labels, *(alert.labels for alert in view.alerts))):
        return True
    by_hand = view.incident.num_alerts == 0
    return any(run.is_restricted and (by_hand or not run.requester) for run in view.runs)


@lru_cache(maxsize=256)
def needs_trust_and_safety(runbook_json: str) -> bool:
    """Whether a step of the runbook asks trust and safety, and nobody else, to approve."""
    try:
        steps = json.loads(runbook_json).get("steps") or ()
    except (ValueError, AttributeError):
        return False
    return isinstance(steps, list) and any(_asks_them(step) for step in steps if isinstance(step, dict))


def _asks_them(step: Mapping[str, object]) -> bool:
    approval = step.get("approval")
    wanted = approval.get("from") if isinstance(approval, Mapping) else None
    return wanted in (ROLE, [ROLE])
