"""What a dialog lets people pick from: clusters, incidents, runs, what is asked; at most a hundred, else by typing.

Each is read when it is needed, so that a menu never offers what is over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from slack_sdk.models.blocks import ExternalDataSelectElement, Option, StaticSelectElement

from opsbot.incident.view import IncidentView
from opsbot.slack.limits import MAX_OPTION_TEXT, MAX_OPTIONS
from opsbot.slack.seat import Seat
from opsbot.slack.text import plain

MAX_VALUE = 150
"""Characters of an option's value. Page "Option object"."""
PREFIX = "pick."


@dataclass(frozen=True, slots=True)
class Pick:
    """One thing to pick: what is submitted, and what people read."""

    value: str
    text: str


Source = Callable[[Seat], Awaitable[Sequence[Pick]]]


async def _clusters(seat: Seat) -> Sequence[Pick]:
    return [] if seat.acts is None else [Pick(name, name) for name in seat.acts.clusters()]


async def _incidents(seat: Seat) -> Sequence[Pick]:
    return [_incident(view) for view in await seat.incidents.open_incidents()]


async def _unacknowledged(seat: Seat) -> Sequence[Pick]:
    views = await seat.incidents.open_incidents()
    free = [view for view in views if view.incident.acknowledged_by is None]
    return [_incident(view) for view in (free or views)]


def _incident(view: IncidentView) -> Pick:
    incident = view.incident
    return Pick(incident.incident_id, f"{incident.incident_id} {incident.severity}: {incident.title}")


async def _runs(seat: Seat) -> Sequence[Pick]:
    return [
        Pick(run.handle, f"{run.handle} {run.runbook_name} ({run.cluster or run.incident_id}): {run.state}")
        for run in await seat.runs.runs()
    ]


async def _undoable(seat: Seat) -> Sequence[Pick]:
    return [
        Pick(
            run.handle, f"{run.handle} {run.runbook_name} ({run.cluster or run.incident_id}): {run.detail or run.state}"
        )
        for run in await seat.runs.runs()
        if run.can_undo
    ]


async def _runbooks(seat: Seat) -> Sequence[Pick]:
    found = [] if seat.acts is None else seat.acts.runbooks()
    by_hand_first = sorted(found, key=lambda one: (not one.is_by_hand, one.runbook_id))
    return [Pick(one.runbook_id, f"{one.runbook_id}: {one.name}") for one in by_hand_first if one.is_enabled]


async def _approvals(seat: Seat) -> Sequence[Pick]:
    return [
        Pick(asked.approval_id, f"{run.incident_id} {asked.will_do}")
        for run in await seat.runs.runs()
        for asked in run.approvals
    ]


async def _announcements(seat: Seat) -> Sequence[Pick]:
    return [
        Pick(said.announcement_id, f"{run.incident_id} {said.message}")
        for run in await seat.runs.runs()
        for said in run.announcements
    ]


async def _silences(seat: Seat) -> Sequence[Pick]:
    return [
        Pick(one.silence_id, f"{one.silence_id} {one.match}: {one.reason}") for one in await seat.incidents.silences()
    ]


async def _holds(seat: Seat) -> Sequence[Pick]:
    return [Pick(str(one.number), f"{one.number} {one.pattern}: {one.reason}") for one in await seat.runs.holds()]


SOURCES: Mapping[str, Source] = {
    "cluster": _clusters,
    "incident": _incidents,
    "unacknowledged": _unacknowledged,
    "run": _runs,
    "undoable": _undoable,
    "runbook": _runbooks,
    "approval": _approvals,
    "announcement": _announcements,
    "silence": _silences,
    "hold": _holds,
}
NOTHING: Mapping[str, str] = {
    "cluster": "No cluster is named under `serving` in opsbot.yaml.",
    "incident": "Nothing is open.",
    "unacknowledged": "Nothing is open.",
    "run": "Nothing runs.",
    "undoable": "No run holds anything that could be taken back.",
    "runbook": "No runbook is in force.",
    "approval": "Nothing waits for an approval.",
    "announcement": "Nothing is announced.",
    "silence": "Nothing is silenced.",
    "hold": "Nobody holds a knob.",
}
"""What is said where there is nothing to pick."""


def select(
    kind: str, picks: Sequence[Pick], action_id: str = "", chosen: str = ""
) -> StaticSelectElement | ExternalDataSelectElement:
    """A menu of *picks* with *chosen* or the only one chosen; with over a hundred one types first."""
    name = f"{PREFIX}{kind}{f'.{action_id}' if action_id else ''}"
    if len(picks) > MAX_OPTIONS:
        first = next((option(pick) for pick in picks if pick.value == chosen), None)
        return ExternalDataSelectElement(
            action_id=name, placeholder="Type a part of the name", min_query_length=0, initial_option=first
        )
    options = [option(pick) for pick in picks]
    first = options[0] if len(options) == 1 else next((one for one in options if one.value == chosen), None)
    return StaticSelectElement(action_id=name, options=options, initial_option=first)


def option(pick: Pick) -> Option:
    """Within Slack's limits."""
    return Option(text=plain(pick.text, MAX_OPTION_TEXT) or pick.value, value=pick.value[:MAX_VALUE])


async def matching(seat: Seat, action_id: str, typed: str) -> Sequence[Option]:
    """The options of the menu *action_id* that have what was *typed* in them."""
    kind = action_id.removeprefix(PREFIX).partition(".")[0]
    source = SOURCES.get(kind)
    if source is None:
        return []
    wanted = typed.casefold().split()
    found = [pick for pick in await source(seat) if all(word in pick.text.casefold() for word in wanted)]
    return [option(pick) for pick in found[:MAX_OPTIONS]]
