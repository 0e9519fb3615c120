"""Looks at what concerns more than one run: the end of an incident, the global stop, and its lifting."""

from __future__ import annotations

import asyncio

from opsbot.desk_tools import DeskTools
from opsbot.errors import InvalidTransition
from opsbot.incident.handle import handle_of
from opsbot.incident.restricted import ROLE, is_restricted, needs_trust_and_safety
from opsbot.incident.view import IncidentView
from opsbot.people import Person
from opsbot.preview_rows import Sight, held, steps_back
from opsbot.runbook.loader import pinned_runbook
from opsbot.runbook.preview import Preview, PreviewStep
from opsbot.runbook.run import Run, StepState
from opsbot.runbook.store import StepRow
from opsbot.store.approvals import mention

TO_COME = frozenset({StepState.PENDING, StepState.WAITING_APPROVAL, StepState.ANNOUNCING, StepState.READY})
MOST_RUNS = 20
"""Runs that are told of one by one."""
NOT_FOR_ALL = PreviewStep("A run of trust and safety", "", "is treated like the others; who has that role sees it")


async def preview_resolve(tools: DeskTools, sight: Sight, incident_id: str, person: Person) -> Preview:
    """What ends with an incident; raises NotFoundError, and InvalidTransition if it has ended."""
    view = await asyncio.to_thread(tools.stores.views.view, incident_id)
    incident = view.incident
    if incident.is_resolved:
        raise InvalidTransition(f"{incident.incident_id} is resolved already; nothing is left to do here")
    probes = sight.probes(tools.clock)
    steps: list[PreviewStep] = []
    for shown in view.runs:
        case = await asyncio.to_thread(tools.stores.runs.case, shown.run_id)
        runbook = pinned_runbook(case.run.runbook_json, case.run.revision)
        if case.run.is_finished or not held(case.rows):
            continue
        if shown.is_restricted and not person.has(ROLE):
            steps.append(NOT_FOR_ALL)
            continue
        if runbook.on_resolve == "keep":
            steps.append(PreviewStep(runbook.name, "", "keeps what it has set until that ends by itself"))
            continue
        steps += await steps_back(sight, probes, case.run, [row for row in case.rows if _is_lease(sight, row)])
    return Preview(
        "resolve",
        incident.incident_id,
        f"{incident.incident_id}: {incident.title}",
        tuple(steps) or (PreviewStep("The incident", "", "ends; no run of it holds anything", changes=False),),
        ("Nobody is woken for it any more.",),
        "It cannot be opened again; an alert that fires anew opens the next incident.",
        "It resolves by itself once its alerts have ended.",
        "",
        _firing(view),
        incident_id=incident.incident_id,
    )


async def preview_all(tools: DeskTools, person: Person, *, is_stop: bool) -> Preview:
    """What the global stop, or its lifting, means for each run; raises InvalidTransition if it is so already."""
    halt = await asyncio.to_thread(tools.stores.knobs.halt)
    if is_stop and halt is not None:
        raise InvalidTransition(f"{mention(halt.created_by)} has stopped all runs already: {halt.reason}")
    if not is_stop and halt is None:
        raise InvalidTransition("runs are not stopped; nothing is left to do here")
    runs = await asyncio.to_thread(tools.stores.runs.unfinished)
    steps = [
        await _one(tools, run, is_stop=is_stop)
        if person.has(ROLE) or not await asyncio.to_thread(_is_for_few, tools, run)
        else NOT_FOR_ALL
        for run in runs[:MOST_RUNS]
    ]
    if len(runs) > MOST_RUNS:
        steps.append(PreviewStep("More runs", "", f"and {len(runs) - MOST_RUNS} more; `opsbot runs` lists them"))
    if not steps:
        steps.append(PreviewStep("No run is under way", "", "new ones wait" if is_stop else "nothing waits"))
    if is_stop:
        undo, later = "`go-on` lifts it; it does not end by itself.", "What is set stays, and is renewed."
    else:
        by = None if halt is None else halt.created_by
        undo, later = "`stop-all` stops them again.", f"They were stopped by {mention(by)}."
    return Preview("stop_all" if is_stop else "go_on", "all", "All runs", tuple(steps), (later,), undo)


def _is_for_few(tools: DeskTools, run: Run) -> bool:
    return needs_trust_and_safety(run.runbook_json) or is_restricted(tools.stores.views.view(run.incident_id))


async def _one(tools: DeskTools, run: Run, *, is_stop: bool) -> PreviewStep:
    rows = await asyncio.to_thread(tools.stores.runs.steps, run.run_id)
    following = next((row.name for row in rows if row.state in TO_COME and "[" not in row.step_id), "")
    runbook = pinned_runbook(run.runbook_json, run.revision)
    if is_stop:
        does = f"waits before “{following}”" if following else "gives nothing back by itself"
    else:
        does = f"goes on with “{following}”" if following else f"is {run.state.value}"
    return PreviewStep(f"{runbook.name} ({handle_of(run.run_id)}, {run.incident_id})", "", does)


def _is_lease(sight: Sight, row: StepRow) -> bool:
    action = sight.registry.find(row.uses)
    return action is not None and action.takes_lease


def _firing(view: IncidentView) -> tuple[str, ...]:
    firing = [alert.name for alert in view.alerts if alert.is_firing]
    if not firing:
        return ()
    names = ", ".join(dict.fromkeys(firing))
    count = f"{len(firing)} alert fires" if len(firing) == 1 else f"{len(firing)} alerts fire"
    return (f"{count} still ({names}): it can only be resolved where a silence hides them, or when they end.",)
