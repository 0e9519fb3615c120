"""What a dry run found: plain values, to be shown as text or as JSON.

`opsbot.runbook.dry_walk` finds them, `opsbot.runbook.dry_text` tells them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from opsbot.runbook.knob_turn import KnobTurn
from opsbot.runbook.model import OnVerifyFailed, Runbook

Standing = Literal["acts", "skipped", "depends", "observes", "fails"]
"""`acts`: it would be made; `skipped`: its condition is false, or its list empty; `depends`: on what an earlier step
will yield; `observes`: the runbook only says what it would do; `fails`: it could not be made."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a step's action.

    Args:
        arguments: as far as they are known.
        unknown: of each other argument, what it depends on.
        prior: the value before, as the server says now; None if it was not asked or did not answer.
        will_do, undo: the action's own description; empty if it cannot be told.
        turns: knobs with their value now and after.
        reading: what a step that only reads yields now.
        problem: why it could not be made; empty if it could.
    """

    arguments: Mapping[str, Any]
    unknown: Mapping[str, str]
    item: object = None
    cluster: str | None = None
    knobs: tuple[str, ...] = ()
    prior: Mapping[str, Any] | None = None
    will_do: str = ""
    undo: str = ""
    reading: str = ""
    problem: str = ""
    turns: tuple[KnobTurn, ...] = ()


@dataclass(frozen=True, slots=True)
class Consent:
    """Whose consent a step needs.

    Args:
        who: roles, in words.
        num_able: how many people of the settings could give it.
        asked: the person whose rights were asked about.
        may: whether that person could give it; *why* says why not.
    """

    who: str
    count: int
    timeout_s: float
    on_timeout: str
    reason: str
    num_able: int
    asked: str = ""
    may: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Countdown:
    """An announcement, with its text."""

    message: str
    for_s: float
    on_objection: str
    calls_for_capacity: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """A verification: what is asked, and what the answer is now.

    Args:
        verdict: holds, fails, unknown (no data); empty if it was not asked.
        why: on what the query depends; *problem* is why it could never be asked.
    """

    expr: str
    means: str
    for_s: float
    timeout_s: float
    on_failed: OnVerifyFailed
    verdict: str = ""
    why: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DryStep:
    """One step.

    Args:
        why: of the standing, in words.
        stages: the items of each stage; one stage for a step without.
        undo: how it is taken back.
    """

    step_id: str
    name: str
    uses: str
    standing: Standing
    why: str = ""
    condition: str | None = None
    calls: tuple[Call, ...] = ()
    foreach: str | None = None
    stages: tuple[tuple[object, ...], ...] = ()
    locks: tuple[str, ...] = ()
    lease_s: float | None = None
    consent: Consent | None = None
    countdown: Countdown | None = None
    verify: Condition | None = None
    undo: str = ""
    is_final: bool = False
    problems: tuple[str, ...] = ()

    @property
    def all_problems(self) -> tuple[str, ...]:
        """Its own, its calls' and its verification's, each once."""
        of_verify = [f"verify: {self.verify.problem}"] if self.verify and self.verify.problem else []
        return tuple(dict.fromkeys([*self.problems, *(c.problem for c in self.calls if c.problem), *of_verify]))


@dataclass(frozen=True, slots=True)
class DryRun:
    """A whole runbook as it would run now.

    Args:
        starts: what would start it, in words.
        labels: the alert's.
        num_clusters: of the fleet.
        most_clusters: on how many it may hold something at once; None for any number.
        problems: of the run as a whole; those of a step are in the step.
    """

    runbook: Runbook
    starts: str
    labels: Mapping[str, str]
    value: float | None
    inputs: Mapping[str, Any]
    group: str
    num_clusters: int
    most_clusters: int | None
    steps: tuple[DryStep, ...]
    problems: tuple[str, ...] = ()

    @property
    def touched(self) -> frozenset[str]:
        """Every cluster that is asked about."""
        return frozenset(call.cluster for step in self.steps for call in step.calls if call.cluster is not None)

    @property
    def clusters(self) -> tuple[str, ...]:
        """Every cluster that a changing step would touch, as far as that is known, sorted."""
        touched = {call.cluster for step in self.steps if step.standing == "acts" for call in step.calls}
        return tuple(sorted(one for one in touched if one is not None))

    @property
    def all_problems(self) -> tuple[str, ...]:
        """Whatever would keep it from running as planned."""
        of_steps = [f"{step.step_id}: {problem}" for step in self.steps for problem in step.all_problems]
        return (*self.problems, *of_steps)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, for programs."""
        runbook = self.runbook
        return {
            "runbook": runbook.runbook_id,
            "revision": runbook.revision,
            "mode": runbook.mode,
            "starts": self.starts,
            "labels": dict(self.labels),
            "value": self.value,
            "inputs": dict(self.inputs),
            "group": self.group,
            "clusters": list(self.clusters),
            "num_clusters": self.num_clusters,
            "most_clusters": self.most_clusters,
            "steps": [_plain(dataclasses.asdict(step)) for step in self.steps],
            "problems": list(self.all_problems),
            "could_run": not self.all_problems,
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
