"""Which ways through a runbook its tests have taken: each step's outcomes, its approvals, and the ends of the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from opsbot.runbook.action import ActionRegistry
from opsbot.runbook.holding import HOLD_IS_OVER
from opsbot.runbook.model import Runbook, Step
from opsbot.runbook.preparing import needed_approval
from opsbot.runbook.run import RunState, StepState
from opsbot.runbook.store import StepRow
from opsbot.testing.perform import Seen

WHOLE_RUN = ""
_SHOWN_BY = {
    "step.acted": "acted",
    "step.read": "acted",
    "step.not_verified": "not verified",
    "step.undone": "undone",
    "step.failed": "broke",
}
"""What kinds of timeline entries show of their step."""


@dataclass(frozen=True, slots=True, order=True)
class Branch:
    """One way that a run may take.

    Args:
        step_id: empty for what is about the whole run.
        what: `acted`, `skipped by if`, `approval refused` …
    """

    step_id: str
    what: str

    def __str__(self) -> str:
        return f"{self.step_id}: {self.what}" if self.step_id else self.what


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of one runbook."""

    runbook_id: str
    branches: tuple[Branch, ...]
    taken: frozenset[Branch]

    @property
    def missing(self) -> tuple[Branch, ...]:
        """What no test has shown, in the order of the steps."""
        return tuple(branch for branch in self.branches if branch not in self.taken)

    @property
    def percent(self) -> float:
        """0 to 100."""
        return 100.0 * (len(self.branches) - len(self.missing)) / len(self.branches)


def coverage(runbook: Runbook, registry: ActionRegistry, seen: Iterable[Seen]) -> Coverage:
    """What tests have shown of *runbook*."""
    taken = frozenset(branch for one in seen for branch in _taken(runbook, one))
    return Coverage(runbook.runbook_id, tuple(branches(runbook, registry)), taken)


def branches(runbook: Runbook, registry: ActionRegistry) -> Iterator[Branch]:
    """Every way that a run of *runbook* may take."""
    for step in runbook.all_steps:
        for what in _of_step(runbook, step, registry):
            yield Branch(step.step_id, what)
    # What is set can only be rolled back if a later step breaks.
    if any(not registry.get(step.uses).is_read_only for step in runbook.steps[:-1]):
        yield Branch(WHOLE_RUN, f"on_failure: {runbook.on_failure}")
    if any(registry.get(step.uses).takes_lease for step in runbook.steps):
        yield Branch(WHOLE_RUN, f"on_resolve: {runbook.on_resolve}")
    if runbook.hold is not None:
        yield Branch(WHOLE_RUN, "hold")
    if runbook.finals:
        yield Branch(WHOLE_RUN, "finally")


def _of_step(runbook: Runbook, step: Step, registry: ActionRegistry) -> Iterator[str]:
    action = registry.get(step.uses)
    yield "acted"
    if step.condition is not None:
        yield "skipped by if"
    yield "broke"
    if step.verify is not None:
        yield "not verified"
    if action.takes_lease or step.undo is not None:
        yield "undone"
    if not action.is_read_only and needed_approval(runbook, step, action) is not None:
        yield from (f"approval {state}" for state in ("granted", "refused", "expired"))
    if step.announce is not None:
        yield from ("announcement passed", "announcement objected")


def _taken(runbook: Runbook, seen: Seen) -> Iterator[Branch]:
    kinds = {(step_id, kind) for step_id, kind in _said_of_steps(runbook, seen)}
    for row in seen.steps:
        base = row.step_id.partition("[")[0]
        if row.state is StepState.FAILED:
            yield Branch(base, "broke")
        if row.state is StepState.SKIPPED and _is_by_condition(runbook.step(base), row):
            yield Branch(base, "skipped by if")
    yield from (Branch(step_id, _SHOWN_BY[kind]) for step_id, kind in kinds if kind in _SHOWN_BY)
    yield from (Branch(row.step_id, f"approval {row.state}") for row in seen.approvals if row.state != "open")
    for said in seen.announcements:
        if said.state in ("passed", "now"):
            yield Branch(said.step_id, "announcement passed")
        elif said.state == "objected":
            yield Branch(said.step_id, "announcement objected")
    yield from _ends(runbook, seen, {kind for _, kind in kinds})


def _ends(runbook: Runbook, seen: Seen, kinds: set[str]) -> Iterator[Branch]:
    has_failed = "step.failed" in kinds
    if has_failed and (
        (runbook.on_failure == "rollback" and "step.undone" in kinds)
        or (runbook.on_failure == "stop" and "step.acted" in kinds)
    ):
        yield Branch(WHOLE_RUN, f"on_failure: {runbook.on_failure}")
    is_kept = seen.run is not None and "kept until it expires" in seen.run.detail
    if "step.released" in kinds or is_kept:
        yield Branch(WHOLE_RUN, f"on_resolve: {runbook.on_resolve}")
    if seen.run is not None and seen.run.detail.startswith(HOLD_IS_OVER):
        yield Branch(WHOLE_RUN, "hold")
    finals = {step.step_id for step in runbook.finals}
    if seen.run is not None and seen.run.state in _ENDED and any(row.step_id in finals for row in seen.steps):
        yield Branch(WHOLE_RUN, "finally")


_ENDED = (RunState.SUCCEEDED, RunState.FAILED, RunState.UNDONE, RunState.CANCELLED)


def _said_of_steps(runbook: Runbook, seen: Seen) -> Iterator[tuple[str, str]]:
    """(step, kind) of what the timeline says of steps."""
    steps = {step.step_id for step in runbook.all_steps}
    prefixes = tuple(f"{run.run_id}:" for run in seen.runs)
    for entry in () if seen.view is None else seen.view.timeline:
        for prefix in prefixes:
            if entry.key.startswith(prefix):
                base = entry.key.removeprefix(prefix).partition(":")[0].partition("[")[0]
                if base in steps:
                    yield base, entry.kind


def _is_by_condition(step: Step, row: StepRow) -> bool:
    return step.condition is not None and row.detail == f"{step.condition} is false"
