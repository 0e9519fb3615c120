"""Looks at a runbook that somebody is about to start by hand: the dry run, told as a look ahead."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from opsbot.alert.alert import Alert, AlertState
from opsbot.desk_tools import DeskTools
from opsbot.incident.handle import handle_of
from opsbot.incident.incident import Incident, IncidentState
from opsbot.people import Person
from opsbot.preview_rows import Sight, arguments_of
from opsbot.runbook.commands import RunRequest
from opsbot.runbook.dry_run import DryRun, DryStep
from opsbot.runbook.dry_scope import Scope
from opsbot.runbook.dry_walk import DryWalk, People
from opsbot.runbook.given import checked_inputs
from opsbot.runbook.model import Runbook
from opsbot.runbook.preview import Preview, PreviewStep
from opsbot.runbook.run import INTERPRETER_VERSION, Run, RunState
from opsbot.runbook.scope import RunFacts
from opsbot.runbook.store import Claim
from opsbot.store.approvals import mention
from opsbot.yamlfile import format_duration

MOST_ITEMS = 6
"""Items of one step that are told by themselves."""


async def preview_start(
    tools: DeskTools, sight: Sight, runbook: Runbook, request: RunRequest, person: Person
) -> Preview:
    """The look ahead; raises what starting would, as ConfigError for inputs that do not fit."""
    inputs = checked_inputs(runbook, request.inputs)
    incident = await _incident(tools, request)
    if request.cluster:
        incident = replace(incident, labels={**incident.labels, "cluster": request.cluster})
    facts = RunFacts(f"run:{runbook.runbook_id}:preview:1:1", person.user_id, False, inputs, tools.clusters)
    walk = DryWalk(
        Scope(runbook, incident, facts, sight.registry),
        People(sight.roles(), person),
        sight.prober,
        sight.probes(tools.clock),
    )
    found = await walk.run("by hand")
    steps = tuple(one for step in found.steps for one in _steps(step))
    blocked = await _blocked(tools, runbook, found, incident, person)
    given = ", ".join(arguments_of({name: value for name, value in found.inputs.items() if value != ""}))
    where = f" on {request.cluster}" if request.cluster else ""
    belongs = request.incident_id or "an incident of its own"
    return Preview(
        "start",
        runbook.runbook_id,
        f"“{runbook.name}”{where} for {belongs}" + (f", with {given}" if given else ""),
        steps,
        tuple(_asked(found)),
        "Undo, or `cancel` while it runs, takes back what it has set; both stand beside the run.",
        _by_itself(found),
        _who(found),
        (*blocked, *(f"{one}." for one in found.all_problems)),
        incident_id=request.incident_id or "",
    )


async def _incident(tools: DeskTools, request: RunRequest) -> Incident:
    if request.incident_id is not None:
        return await asyncio.to_thread(tools.stores.incidents.incident, request.incident_id)
    now = tools.clock.now()
    alert = Alert({}, {}, AlertState.FIRING, now, source="preview")
    return Incident(
        "INC-0", alert.fingerprint, 1, "", "", alert.severity, {}, IncidentState.OPEN, now, now
    )  # fmt: skip


def _steps(step: DryStep) -> Sequence[PreviewStep]:
    if step.standing in ("skipped", "observes", "depends") or not step.calls:
        words = {"skipped": "is left out", "observes": "is only said", "depends": "is open"}.get(step.standing, "")
        does = f"{words}: {step.why}" if step.why else words or step.uses
        return [PreviewStep(step.name, step.uses, does, changes=step.standing == "depends")]
    found = []
    for call in step.calls[:MOST_ITEMS]:
        name = step.name if len(step.calls) == 1 else f"{step.name} ({call.item})"
        does = call.will_do or (f"reads: {call.reading}" if call.reading else step.uses)
        later = tuple(f"{key}: {why}" for key, why in call.unknown.items())
        told = (*arguments_of(call.arguments), *later)
        is_change = not call.reading and bool(call.will_do or call.problem or call.knobs or later)
        # `reading` is of this second, and so no part of what somebody says yes to.
        found.append(
            PreviewStep(name, step.uses, does, told, call.turns, call.undo or step.undo, is_change, call.problem)
        )
    if len(step.calls) > MOST_ITEMS:
        found.append(PreviewStep(step.name, step.uses, f"and {len(step.calls) - MOST_ITEMS} more like these"))
    return found


def _asked(found: DryRun) -> Sequence[str]:
    said = []
    for step in found.steps:
        if step.countdown is not None and step.standing != "skipped":
            said.append(f"“{step.name}” is announced first, and begins {format_duration(step.countdown.for_s)} later.")
        if step.verify is not None and step.standing != "skipped":
            said.append(
                f"“{step.name}” is verified within {format_duration(step.verify.timeout_s)}: "
                f"{step.verify.means or step.verify.expr}."
            )
    return said


def _who(found: DryRun) -> str:
    asking = [step for step in found.steps if step.consent is not None and step.standing != "skipped"]
    said = []
    for step in asking:
        assert step.consent is not None
        one = step.consent
        who = one.who if one.count == 1 else f"{one.count} of {one.who}"
        you = "" if one.may or not one.asked else ", not you" if "asked for the run" in one.why else ""
        said.append(f"{who}{you} for “{step.name}”")
    return "; ".join(said)


def _by_itself(found: DryRun) -> str:
    longest = max((step.lease_s or 0.0 for step in found.steps), default=0.0)
    if not longest:
        return ""
    ends = "when its incident ends" if found.runbook.on_resolve == "release" else "once it is no longer renewed"
    hold_s = found.runbook.hold_s(found.inputs)
    if hold_s is not None:
        ends = f"after {format_duration(hold_s)}, or {ends}"
    return f"By itself it ends {ends}, and within {format_duration(longest)} if opsbot should die."


async def _blocked(
    tools: DeskTools, runbook: Runbook, found: DryRun, incident: Incident, person: Person
) -> tuple[str, ...]:
    run = Run(
        f"run:{runbook.runbook_id}:preview:1:1", incident.incident_id, runbook.runbook_id, runbook.revision,
        runbook.source_json, INTERPRETER_VERSION, RunState.QUEUED, "", tools.clock.now(), labels=incident.labels,
        requester=person.user_id,
    )  # fmt: skip
    acting = [step for step in found.steps if step.standing == "acts"]
    knobs = tuple(dict.fromkeys(knob if "/" in knob else f"lock/{knob}" for step in acting for knob in step.locks))
    claim = Claim(run, "", knobs, found.clusters, found.most_clusters)
    halt = await asyncio.to_thread(tools.stores.knobs.halt)
    blockers = await asyncio.to_thread(tools.stores.knobs.blockers, claim, tools.clock.now())
    stopped = () if halt is None else (halted_text(halt.created_by, halt.reason),)
    replaced = await _replaced(tools, runbook, incident)
    if replaced:
        blockers = tuple(one for one in blockers if one.is_person or f"runbook {runbook.runbook_id} " not in one.text)
    return (
        *stopped,
        *(f"{one} is taken back first, and this takes its place; values now are with it in force." for one in replaced),
        *(f"{one.text}; it waits until that is over, at most 5 minutes." for one in blockers),
    )


async def _replaced(tools: DeskTools, runbook: Runbook, incident: Incident) -> tuple[str, ...]:
    """Runs of the same runbook on the same cluster that this one would take the place of, by handle."""
    if runbook.concurrency.on_conflict != "replace":
        return ()
    cluster = incident.labels.get("cluster", "")
    runs = await asyncio.to_thread(tools.stores.runs.unfinished)
    return tuple(
        handle_of(one.run_id) for one in runs if (one.runbook_id, one.cluster) == (runbook.runbook_id, cluster)
    )


def halted_text(user_id: str, reason: str) -> str:
    """The global stop as something in the way."""
    return f"{mention(user_id)} has stopped all runs ({reason}): nothing is changed until `go-on`."
