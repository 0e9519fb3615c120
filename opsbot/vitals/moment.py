"""The moments of an incident that belong beside its numbers: opened, held by somebody, done, undone, resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import IncidentView

Kind = Literal["opened", "acknowledged", "done", "undone", "failed", "resolved"]
MOST = 8
"""More hide the lines; those between the first and the latest are left out."""

_KINDS: Mapping[str, Kind] = {
    "incident.acknowledged": "acknowledged",
    "step.acted": "done",
    "step.undone": "undone",
    "step.released": "undone",
    "step.failed": "failed",
}
_WORDS: Mapping[Kind, str] = {"undone": "undone: ", "failed": "failed: "}


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened at *at*, seconds since the epoch; *text* is a few words."""

    at: float
    kind: Kind
    text: str


def moments_of(view: IncidentView) -> tuple[Moment, ...]:
    """The moments in order, at most MOST; the opening always, then the latest."""
    incident = view.incident
    found = [Moment(incident.opened_at, "opened", "opened")]
    is_held = False
    for entry in view.timeline:
        kind = _KINDS.get(entry.kind)
        if kind is None or (kind == "acknowledged" and is_held):
            continue
        is_held = is_held or kind == "acknowledged"
        text = "acknowledged" if kind == "acknowledged" else f"{_WORDS.get(kind, '')}{_step(view, entry)}"
        found.append(Moment(entry.at, kind, text))
    if incident.resolved_at is not None:
        found.append(Moment(incident.resolved_at, "resolved", "resolved"))
    found.sort(key=lambda one: one.at)
    return tuple(found if len(found) <= MOST else [found[0], *found[1 - MOST :]])


def _step(view: IncidentView, entry: TimelineEntry) -> str:
    """The name of the entry's step; what the entry says where the step is not known."""
    for run in view.runs:
        for step in run.steps:
            if entry.key.startswith(f"{run.run_id}:{step.step_id}:"):
                return step.name
    return entry.text
