"""A runbook as a picture's content: what starts it, each step with its marks and ways out, and how it ends.

Only words and their order are decided here; `flow_picture` draws them and `flow_mermaid` writes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from opsbot.runbook import texts
from opsbot.runbook.action import Action, ActionRegistry
from opsbot.runbook.model import Approval, Runbook, Step, Trigger
from opsbot.runbook.preparing import needed_approval
from opsbot.runbook.probe import promql_fields
from opsbot.yamlfile import format_duration

Kind = Literal["reads", "changes", "risky"]
MarkKind = Literal["if", "each", "reads", "with", "asks", "says", "lease", "verify", "undo"]


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing to know of a step: a word, and the rest."""

    kind: MarkKind
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class WayOut:
    """What happens instead of the next step, and when."""

    when: str
    then: str
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """One step."""

    step_id: str
    number: str
    title: str
    uses: str
    kind: Kind
    marks: tuple[Mark, ...]
    ways_out: tuple[WayOut, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """A whole runbook.

    Args:
        starts: what starts it, one line each.
        broken: what happens when a step breaks.
        held: what it holds until the incident ends, and then.
        finals: the steps under `finally`.
    """

    title: str
    subtitle: str
    starts: tuple[str, ...]
    cards: tuple[Card, ...]
    broken: str
    held: str
    finals: tuple[Card, ...]


def flow(runbook: Runbook, registry: ActionRegistry) -> Flow:
    """What a picture of *runbook* says."""
    ways = {"observe": "only says what it would do", "suggest": "asks before every change", "auto": "acts by itself"}
    steps = tuple(_card(runbook, step, str(number), registry) for number, step in enumerate(runbook.steps, 1))
    taken_back = [step.name for step in reversed(runbook.steps) if step.lease_s is not None or step.undo is not None]
    leased = [step.name for step in reversed(runbook.steps) if step.lease_s is not None]
    return Flow(
        title=runbook.name,
        subtitle=f"{runbook.runbook_id} · {runbook.mode}: {ways[runbook.mode]} · {runbook.owner}",
        starts=tuple(_trigger(one) for one in runbook.triggers),
        cards=steps,
        broken=_broken(runbook, taken_back),
        held=_held(runbook, leased),
        finals=tuple(_card(runbook, step, "", registry) for step in runbook.finals),
    )


def _trigger(trigger: Trigger) -> str:
    matched = [value if name == "alertname" else f"{name}={value}" for name, value in (trigger.match or {}).items()]
    matched += [] if trigger.matchers is None else [str(trigger.matchers)]
    return f"alert {', '.join(matched)}" if matched else "a person"


def _broken(runbook: Runbook, taken_back: list[str]) -> str:
    if runbook.on_failure == "stop":
        return "no further step; what was set is kept until the incident ends"
    if not taken_back:
        return "no further step; nothing has to be taken back"
    order = ", the youngest first" if len(taken_back) > 1 else ""
    return f"no further step; what was done is taken back{order}: {' → '.join(taken_back)}"


def _held(runbook: Runbook, leased: list[str]) -> str:
    if not leased:
        return "nothing is held"
    if runbook.on_resolve == "keep":
        return "leases are kept until the incident ends, then run out by themselves"
    until = "until the incident ends" if runbook.hold is None else f"for {_length(runbook)} or until the incident ends"
    return f"leases are held {until}, then given back: {' → '.join(leased)}"


def _length(runbook: Runbook) -> str:
    hold = runbook.hold
    assert hold is not None
    return format_duration(hold.seconds) if hold.seconds is not None else f"inputs.{hold.input_name}"


def _card(runbook: Runbook, step: Step, number: str, registry: ActionRegistry) -> Card:
    action = registry.get(step.uses)
    kind: Kind = "reads" if action.is_read_only else "risky" if action.is_risky else "changes"
    approval = None
    if not action.is_read_only and runbook.mode != "observe":
        approval = needed_approval(runbook, step, action)
    return Card(
        step.step_id, number, step.name, step.uses, kind,
        (*_before(step), _what(step, action), *_marks(step, approval)), tuple(_ways_out(step, approval)),
    )  # fmt: skip


def _what(step: Step, action: Action[Any]) -> Mark:
    queries = sorted(promql_fields(action.arguments) & step.arguments.keys())
    if action.is_read_only and queries:
        return Mark("reads", "reads", "; ".join(str(step.arguments[key]) for key in queries))
    written = (f"{key}={value}" for key, value in step.arguments.items())
    return Mark("with", "with", ", ".join(written) or "nothing")


def _before(step: Step) -> Iterator[Mark]:
    if step.condition is not None:
        yield Mark("if", "if", step.condition)
    if step.foreach is not None:
        stages = [f"{share.amount}{'%' if share.is_percent else ''}" for share in step.stages]
        then = f", verified after {', '.join(stages)}" if stages and step.verify else ""
        yield Mark("each", "for each", f"{step.foreach}{then}")


def _marks(step: Step, approval: Approval | None) -> Iterator[Mark]:
    if approval is not None:
        who = " or ".join(texts.ROLE_NAMES[role] for role in approval.roles)
        count = "" if approval.count == 1 else f"{approval.count} of "
        yield Mark("asks", "asks", f"{count}{who}, for {format_duration(approval.timeout_s)}")
    if step.announce is not None:
        call = ", calls for capacity" if step.announce.calls_for_capacity else ""
        yield Mark("says", "announces", f"{format_duration(step.announce.for_s)} to object{call}")
    if step.lease_s is not None:
        yield Mark("lease", "lease", f"{format_duration(step.lease_s)}, renewed while the incident is open")
    if step.verify is not None:
        held = f" for {format_duration(step.verify.for_s)}" if step.verify.for_s else ""
        within = f", within {format_duration(step.verify.timeout_s)}"
        yield Mark("verify", "verifies", f"{step.verify.means or step.verify.expr}{held}{within}")
    if step.undo is not None:
        yield Mark("undo", "undo", step.undo.uses)


def _ways_out(step: Step, approval: Approval | None) -> Iterator[WayOut]:
    if step.condition is not None:
        yield WayOut("if false", "left out", goes_on=True)
    if approval is not None and approval.on_timeout == "abort":
        yield WayOut("refused, or no decision", "not done, and no further step")
    elif approval is not None:
        yield WayOut("refused", "not done, and no further step")
    if step.announce is not None:
        skips = step.announce.on_objection == "skip"
        yield WayOut("somebody objects", "left out" if skips else "no further step", goes_on=skips)
    if step.verify is not None:
        match step.on_verify_failed:
            case "continue":
                yield WayOut("not verified", "kept, and on it goes", goes_on=True)
            case "undo":
                yield WayOut("not verified", "this step is taken back, and no further step")
            case "stop":
                yield WayOut("not verified", "kept, and no further step")
    if step.continue_on_error:
        yield WayOut("it breaks", "on it goes", goes_on=True)
