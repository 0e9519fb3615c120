"""What is being done about an incident, in one line: the second thing that its reader must see, after what is wrong.

Pure. What waits for a person comes before what goes on by itself, and that before what is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from opsbot.incident.incident import IncidentState
from opsbot.incident.view import IncidentView, RunView, StepView
from opsbot.runbook.run import RunState, StepState
from opsbot.slack.steps import RUN_WORDS, STEP_WORDS, has_a_length

AT_WORK = (StepState.ACTING, StepState.VERIFYING, StepState.UNDOING, StepState.READY)
UNDER_WAY = (RunState.RUNNING, RunState.WAITING, RunState.UNDOING, RunState.FINISHING)


@dataclass(frozen=True, slots=True)
class Doing:
    """One line, not yet escaped.

    Args:
        label: what kind of thing it is, a few words.
        text: what, in a sentence without its full stop.
        asks: whether it waits for a person.
    """

    label: str
    text: str
    asks: bool = False


def doing(view: IncidentView, now: float) -> Doing:
    """What matters most of everything that is done, or asked, about the incident."""
    return next(_found(view, now))


def _found(view: IncidentView, now: float) -> Iterator[Doing]:
    incident = view.incident
    if incident.merged_into is not None:
        yield Doing("Dealt with under", incident.merged_into)
    for run, step in _steps(view.runs, lambda step: step.state == StepState.UNKNOWN):
        yield Doing("Needs a person", f"nobody knows whether “{step.name}” happened ({run.runbook_name})", asks=True)
    for run in view.runs:
        for approval in run.approvals:
            if approval.expires_at > now or run.paused_by:
                yield Doing("Waits for approval", approval.will_do.rstrip("."), asks=True)
    for run in view.runs:
        for said in run.announcements:
            yield Doing("Announced", f"{said.message.rstrip('.')}, unless somebody objects", asks=True)
    yield from _runs(view.runs)
    if incident.hold is not None and incident.hold.reason:
        yield Doing("Watching", "nothing fires any more, and it stays open for now")
    if incident.state is IncidentState.MITIGATED:
        yield Doing("Watching", "nothing fires any more")
    if view.escalation is not None and view.escalation.state == "unanswered" and incident.acknowledged_by is None:
        yield Doing("Nobody answered", "the bot does nothing by itself; it needs a person", asks=True)
    if incident.acknowledged_by is None:
        yield Doing("Needs a person", "the bot does nothing by itself, and nobody has it yet", asks=True)
    yield Doing("In hand", "a person has it; the bot does nothing by itself")


def _runs(runs: Sequence[RunView]) -> Iterator[Doing]:
    newest = list(reversed(runs))
    for run in newest:
        if run.state == RunState.NEEDS_PERSON:
            yield Doing("Needs a person", _with_detail(run, run.runbook_name), asks=True)
    for run in newest:
        if run.paused_by is not None and run.ended_at is None:
            yield Doing("Paused", f"{run.runbook_name}; Resume in its menu lets it go on", asks=True)
    for run, step in _steps(newest, lambda step: step.state in AT_WORK):
        yield Doing("Now", f"{step.name}, {STEP_WORDS.get(step.state, step.state)} ({run.runbook_name})")
    for run in newest:
        if run.state in UNDER_WAY:
            yield Doing("Now", _with_detail(run, f"{run.runbook_name} is {RUN_WORDS.get(run.state, run.state)}"))
    for run in newest:
        if run.state == RunState.QUEUED:
            yield Doing("About to start", run.runbook_name)
    for run in newest:
        if run.state == RunState.HOLDING:
            until = run.detail if has_a_length(run) else "holds its change until the incident ends"
            yield Doing("Done", f"{run.runbook_name} {until}")
    for run in newest[:1]:
        words = RUN_WORDS.get(run.state, run.state)
        label = "Needs a person" if run.state == RunState.FAILED else "Done"
        yield Doing(label, _with_detail(run, f"{run.runbook_name} {words}"), asks=run.state == RunState.FAILED)


def _with_detail(run: RunView, text: str) -> str:
    return f"{text}: {run.detail.rstrip('.')}" if run.detail else text


def _steps(runs: Sequence[RunView], wanted: Callable[[StepView], bool]) -> Iterator[tuple[RunView, StepView]]:
    for run in runs:
        for step in run.steps:
            if wanted(step):
                yield run, step
