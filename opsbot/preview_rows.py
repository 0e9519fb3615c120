"""Looks at a run's steps as they stand in the store: what one is about to do, and what taking it back would do.

Servers are asked for the values of now, each for a short time; what does not answer is said to be unread.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opsbot.action.parts import NoMetrics
from opsbot.clock import Clock
from opsbot.errors import OpsbotError
from opsbot.people import Role
from opsbot.runbook.action import Action, ActionRegistry
from opsbot.runbook.dry_probe import Probes
from opsbot.runbook.held import is_live
from opsbot.runbook.knob_turn import KnobTurn
from opsbot.runbook.loader import pinned_runbook
from opsbot.runbook.model import Runbook, Step
from opsbot.runbook.preview import PreviewStep
from opsbot.runbook.probe import Prober
from opsbot.runbook.run import Run, StepState
from opsbot.runbook.store import Claim, StepRow
from opsbot.yamlfile import format_duration

EACH_S = 2.0
ALL_S = 6.0
"""Longest wait for one value and for all: whoever pressed is looking at a dialog that is still empty."""
MAX_ARGUMENT = 200


@dataclass(frozen=True, slots=True)
class Sight:
    """Whom a look ahead asks.

    Args:
        registry: actions that can only ask.
        prober: the metrics.
        roles: of everybody, by user id, as they are now.
    """

    registry: ActionRegistry = field(default_factory=lambda: ActionRegistry(()))
    prober: Prober = field(default_factory=NoMetrics)
    roles: Callable[[], Mapping[str, frozenset[Role]]] = dict

    def probes(self, clock: Clock) -> Probes:
        """The questions of one look."""
        return Probes(clock, EACH_S, ALL_S)


def arguments_of(plain: Mapping[str, Any] | None) -> tuple[str, ...]:
    """`limit=8`, one for each argument."""
    return tuple(f"{name}={_shown(value)}" for name, value in (plain or {}).items())


async def step_ahead(sight: Sight, probes: Probes, row: StepRow, step: Step) -> PreviewStep:
    """What the row is about to do, with the values of now."""
    action = sight.registry.find(row.uses)
    shown = PreviewStep(row.name, row.uses, row.detail or row.name, arguments_of(row.arguments))
    if action is None:
        return PreviewStep(row.name, row.uses, row.detail, shown.arguments, unread=f"{row.uses} is not known here")
    arguments, prior, unread = await _prior(probes, action, row)
    if unread:
        return PreviewStep(row.name, row.uses, row.detail or row.name, shown.arguments, unread=unread)
    described = action.describe(arguments, prior, step.lease_s)
    undo = described.undo
    if step.undo is not None and not action.takes_lease:
        undo = f"Undo takes it back by {step.undo.uses}"
    turns = action.turns(arguments, prior)
    return PreviewStep(row.name, row.uses, described.will_do, shown.arguments, turns, undo)


async def steps_back(sight: Sight, probes: Probes, run: Run, rows: Sequence[StepRow]) -> tuple[PreviewStep, ...]:
    """What taking back does, the last change first."""
    runbook = pinned_runbook(run.runbook_json, run.revision)
    return tuple([await _back(sight, probes, runbook, row) for row in reversed(held(rows))])


def held(rows: Sequence[StepRow]) -> tuple[StepRow, ...]:
    """Rows whose change is in force, or may be."""
    return tuple(row for row in rows if is_live(row))


def ended_by_itself(runbook: Runbook, rows: Sequence[StepRow]) -> str:
    """When what the rows hold ends although nobody takes it back; empty if nothing does by itself."""
    lengths = [runbook.step(row.step_id.partition("[")[0]).lease_s for row in rows]
    longest = max((one for one in lengths if one), default=0.0)
    if not longest:
        return ""
    return f"By itself it ends when the incident does, and within {format_duration(longest)} if opsbot should die."


def claim_of(run: Run, rows: Sequence[StepRow], step: Step, sight: Sight, num_clusters: int) -> Claim:
    """The knobs that the rows need."""
    knobs: list[str] = [f"lock/{name}" for name in step.locks]
    clusters: list[str] = []
    for row in rows:
        action = sight.registry.find(row.uses)
        if action is None or row.arguments is None:
            continue
        arguments = action.arguments.model_validate(row.arguments)
        knobs += action.locks(arguments)
        clusters += [one for one in [action.cluster(arguments)] if one is not None]
    most = pinned_runbook(run.runbook_json, run.revision).limits.most(num_clusters)
    return Claim(run, step.step_id, tuple(dict.fromkeys(knobs)), tuple(dict.fromkeys(clusters)), most)


async def _back(sight: Sight, probes: Probes, runbook: Runbook, row: StepRow) -> PreviewStep:
    step = runbook.step(row.step_id.partition("[")[0])
    action = sight.registry.find(row.uses)
    words = arguments_of(row.arguments)
    if row.state is StepState.UNKNOWN:
        return PreviewStep(row.name, row.uses, "stays as it is until somebody says whether it happened", words)
    if action is not None and action.takes_lease:
        arguments, prior, unread = await _prior(probes, action, row)
        turns: tuple[KnobTurn, ...] = () if unread else action.turns_back(arguments, prior)
        knobs = ", ".join(action.locks(arguments)) if arguments is not None else row.uses
        how = "in steps" if getattr(arguments, "on_end", "") == "ramp" else "at once"
        return PreviewStep(row.name, row.uses, f"give {knobs} back, {how}", words, turns, unread=unread)
    if step.undo is not None:
        return PreviewStep(row.name, step.undo.uses, f"take it back by {step.undo.uses}", words)
    return PreviewStep(row.name, row.uses, "stays as it is: it has no undo", words)


async def _prior(probes: Probes, action: Action[Any], row: StepRow) -> tuple[Any, Mapping[str, Any], str]:
    """The row's arguments, the value before, and why that could not be read."""
    try:
        arguments = action.arguments.model_validate(row.arguments or {})
    except ValueError:
        return None, {}, f"its arguments do not fit {action.name} any more"
    try:
        return arguments, await probes.ask(lambda: action.prior(arguments)), ""
    except OpsbotError as error:
        return arguments, {}, f"the value now could not be read: {error}"


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_ARGUMENT else f"{text[: MAX_ARGUMENT - 1]}…"
