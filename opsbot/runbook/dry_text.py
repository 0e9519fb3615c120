"""Tells a dry run to somebody at a terminal: a head, one block a step, and at the end whether it could run.

Lines carry a tone instead of a colour; the command knows whether there is a terminal.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from opsbot.runbook.dry_calls import VERDICTS
from opsbot.runbook.dry_run import Call, Condition, Consent, Countdown, DryRun, DryStep
from opsbot.runbook.model import OnVerifyFailed
from opsbot.yamlfile import format_duration

Tone = Literal["plain", "title", "good", "quiet", "open", "bad"]

LABEL = 11
INDENT = 4
MOST_CALLS = 6
"""Of one step that are told in full; the others are like them."""

MODES: Mapping[str, str] = {
    "observe": "says what it would do and changes nothing",
    "suggest": "asks before every change",
    "auto": "asks only where a step says so",
}
STANDINGS: Mapping[str, tuple[str, Tone]] = {
    "acts": ("is made", "good"),
    "observes": ("is not made", "quiet"),
    "skipped": ("is skipped", "quiet"),
    "depends": ("is open", "open"),
    "fails": ("could not be made", "bad"),
}
IF_NOT_VERIFIED: Mapping[OnVerifyFailed, str] = {
    "continue": "it is kept, and the next step follows",
    "undo": "it is taken back, and the run ends",
    "stop": "it is kept, and no step follows",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line, without its end."""

    text: str
    tone: Tone = "plain"


def lines(found: DryRun, width: int = 100) -> Iterator[Line]:
    """The whole, wrapped to *width* characters."""
    yield from _head(found, width)
    number = 0
    for step in found.steps:
        number += not step.is_final
        yield Line("")
        yield from _step(step, "finally" if step.is_final else str(number), width)
    yield Line("")
    yield from _end(found, width)


def _head(found: DryRun, width: int) -> Iterator[Line]:
    runbook = found.runbook
    yield Line(f"{runbook.name} ({runbook.runbook_id}, revision {runbook.revision[:12]})", "title")
    yield from _row("mode", f"{runbook.mode}: {MODES[runbook.mode]}", width, indent=0)
    labels = " ".join(f"{name}={value}" for name, value in found.labels.items())
    value = "" if found.value is None else f", value {found.value:g}"
    yield from _row("starts", found.starts, width, indent=0)
    if labels:
        yield from _row("alert", f"{labels}{value}", width, indent=0)
    if found.inputs:
        yield from _row("inputs", _pairs(found.inputs), width, indent=0)
    for index, limit in enumerate(_limits(found)):
        yield from _row("" if index else "limits", limit, width, "quiet" if index else "plain", indent=0)


def _limits(found: DryRun) -> Iterator[str]:
    runbook = found.runbook
    touched = f"{len(found.clusters)} of {found.num_clusters} clusters would be touched"
    yield touched if found.most_clusters is None else f"{touched}, {found.most_clusters} may be at once"
    yield f"at most {runbook.max_runs.count} runs for one cluster in {format_duration(runbook.max_runs.per_s)}"
    if runbook.cooldown_s:
        yield f"{format_duration(runbook.cooldown_s)} between two runs"
    conflict = {"queue": "the later waits", "skip": "the later is not made", "replace": "the earlier is undone first"}
    yield f"of two runs of group {found.group!r} {conflict[runbook.concurrency.on_conflict]}"
    yield f"no step begins later than {format_duration(runbook.timeout_s)} after the start"


def _step(step: DryStep, number: str, width: int) -> Iterator[Line]:
    words, tone = STANDINGS[step.standing]
    yield Line(f"{number:>2}  {step.name} ({step.step_id})", "title")
    why = f": {step.why}" if step.why else ""
    yield from _row(step.uses, f"{words}{why}", width, tone)
    if step.condition is not None and step.standing not in ("skipped",):
        truth = "" if step.standing in ("depends", "fails") else "  is true"
        yield from _row("if", f"{step.condition}{truth}", width)
    if step.foreach is not None and step.stages:
        for index, stage in enumerate(step.stages, 1):
            label = "for each" if index == 1 else ""
            of = f"stage {index} of {len(step.stages)}: " if len(step.stages) > 1 else ""
            yield from _row(label, of + ", ".join(_shown(item) for item in stage), width)
    if step.consent is not None:
        yield from _consent(step.consent, width)
    if step.countdown is not None:
        yield from _countdown(step.countdown, width)
    for call in step.calls[:MOST_CALLS]:
        yield from _call(call, width, of_many=len(step.calls) > 1)
    if len(step.calls) > MOST_CALLS:
        yield from _row("", f"and {len(step.calls) - MOST_CALLS} more like these", width)
    if step.locks:
        yield from _row("locks", ", ".join(step.locks), width)
    if step.verify is not None:
        yield from _verify(step.verify, width)
    if step.undo and step.standing != "skipped":
        yield from _row("taken back", step.undo, width)
    for problem in step.all_problems:
        yield from _row("PROBLEM", problem, width, "bad")


def _consent(consent: Consent, width: int) -> Iterator[Line]:
    late = "nothing is changed" if consent.on_timeout == "abort" else "it is done"
    who = consent.who if consent.count == 1 else f"{consent.count} of {consent.who}"
    yield from _row("asks", f"{who} within {format_duration(consent.timeout_s)}, without a decision {late}", width)
    if consent.reason:
        yield from _row("", consent.reason, width, "quiet")
    if consent.asked:
        may = "may approve it" if consent.may else f"may not approve it: {consent.why}"
        yield from _row("", f"{consent.asked} {may}", width, "good" if consent.may else "open")


def _countdown(countdown: Countdown, width: int) -> Iterator[Line]:
    yield from _row("announces", f"“{countdown.message}”", width)
    then = "no step follows" if countdown.on_objection == "stop" else "this step is left out"
    call = "; an offer of capacity doubles that once" if countdown.calls_for_capacity else ""
    yield from _row(
        "", f"then waits {format_duration(countdown.for_s)}{call}; if somebody objects, {then}", width, "quiet"
    )


def _call(call: Call, width: int, *, of_many: bool) -> Iterator[Line]:
    if call.reading:
        yield from _row("reads", call.reading, width)
        return
    label = _shown(call.item) if of_many else "would"
    arguments = _pairs({**call.arguments, **{key: f"({why})" for key, why in call.unknown.items()}})
    if call.will_do:
        yield from _row(label, call.will_do, width)
        if not of_many:
            yield from _row("with", arguments, width, "quiet")
    elif arguments:
        yield from _row(label if of_many else "with", arguments, width, "open" if call.unknown else "plain")


def _verify(verify: Condition, width: int) -> Iterator[Line]:
    now = VERDICTS.get(verify.verdict) or verify.why or "cannot be asked"
    tone: Tone = "plain" if verify.verdict else "open"
    yield from _row("verifies", f"{verify.means or verify.expr}: {now}", width, tone)
    if verify.means:
        yield from _row("", verify.expr, width, "quiet")
    held = f"for {format_duration(verify.for_s)} " if verify.for_s else ""
    must = f"must hold {held}within {format_duration(verify.timeout_s)}; if not, {IF_NOT_VERIFIED[verify.on_failed]}"
    yield from _row("", must, width, "quiet")
    if verify.verdict == "unknown":
        yield from _row("", "without data no step would follow, and a person would be called", width, "open")


def _end(found: DryRun, width: int) -> Iterator[Line]:
    runbook = found.runbook
    broken = "what was set is taken back" if runbook.on_failure == "rollback" else "what was set is kept"
    ended = "leases are given back" if runbook.on_resolve == "release" else "leases run out by themselves"
    hold_s = runbook.hold_s(found.inputs)
    when = "when the incident ends" if hold_s is None else f"after {format_duration(hold_s)}"
    yield from _row("afterwards", f"if a step breaks, {broken}; {when}, {ended}", width, indent=0)
    for problem in found.problems:
        yield from _row("PROBLEM", problem, width, "bad", indent=0)
    num = len(found.all_problems)
    if num:
        yield Line(f"Nothing was changed. It could not run as it is: {num} problem{'s' if num > 1 else ''}.", "bad")
        return
    steps = [step for step in found.steps if step.standing == "depends"]
    more = f"; {len(steps)} of {len(found.steps)} steps depend on what others yield" if steps else ""
    yield Line(f"Nothing was changed. It could run now{more}.", "good")


def _row(label: str, text: str, width: int, tone: Tone = "plain", *, indent: int = INDENT) -> Iterator[Line]:
    margin = " " * (indent + LABEL)
    room = max(24, width - len(margin))
    wrapped = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    first = f"{' ' * indent}{label:<{LABEL - 1}} "
    if len(label) >= LABEL:
        # An action's name is longer than its column; what is said of it follows on the same line.
        first = f"{' ' * indent}{label}  "
    for index, one in enumerate(wrapped):
        yield Line((first if index == 0 else margin) + one, tone)


def _pairs(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={_shown(value)}" for name, value in values.items())


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
