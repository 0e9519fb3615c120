"""Runbooks as frozen values, after loading: what the executor interprets.

A runbook is immutable; an edited file is another revision, and runs under way keep the one they began with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from opsbot.people import Role

Mode = Literal["observe", "suggest", "auto"]
OnVerifyFailed = Literal["continue", "undo", "stop"]
OnFailure = Literal["rollback", "stop"]


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts a run: an alert that carries these labels, or (without labels) a person."""

    match: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Input:
    """A value that expressions see as `inputs.<name>`."""

    name: str
    type: Literal["string", "integer", "number", "boolean"]
    default: object


@dataclass(frozen=True, slots=True)
class Approval:
    """A person with *role* must consent within *timeout_s*; without a decision nothing is changed."""

    role: Role
    timeout_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Verify:
    """PromQL that must hold for *for_s* without a break, within *timeout_s*."""

    expr: str
    for_s: float
    timeout_s: float
    means: str


@dataclass(frozen=True, slots=True)
class Retry:
    """*attempts* tries in all; the pause starts at *delay_s* and doubles."""

    attempts: int
    delay_s: float


@dataclass(frozen=True, slots=True)
class Undo:
    """The action that takes a step back, when releasing a lease is not enough."""

    uses: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Step:
    """One action of a runbook.

    Args:
        arguments: as written; strings may hold `${{ }}`.
        condition: CEL, or None for always.
        timeout_s: longest time of one call.
        lease_s: the setting ends by itself this long after its last renewal; None for an action without lease.
    """

    step_id: str
    name: str
    uses: str
    arguments: Mapping[str, object]
    condition: str | None
    timeout_s: float
    retry: Retry
    continue_on_error: bool
    approval: Approval | None
    lease_s: float | None
    verify: Verify | None
    on_verify_failed: OnVerifyFailed
    undo: Undo | None


@dataclass(frozen=True, slots=True)
class Runbook:
    """One revision of a runbook.

    Args:
        revision: SHA-256 of the file's text.
        source_json: the file's data as JSON: what a run is pinned to.
    """

    runbook_id: str
    revision: str
    source_json: str
    name: str
    description: str
    owner: str
    mode: Mode
    triggers: tuple[Trigger, ...]
    inputs: tuple[Input, ...]
    timeout_s: float
    steps: tuple[Step, ...]
    on_failure: OnFailure

    def step(self, step_id: str) -> Step:
        """The step with that id."""
        return next(step for step in self.steps if step.step_id == step_id)
