"""Runbooks as frozen values, after loading: what the executor interprets.

A runbook is immutable; an edited file is another revision, and runs under way keep the one they began with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from opsbot.alert.matching import LabelMatch
from opsbot.people import Role
from opsbot.runbook.hold import Hold

Mode = Literal["observe", "suggest", "auto"]
OnVerifyFailed = Literal["continue", "undo", "stop"]
OnFailure = Literal["rollback", "stop"]
OnResolve = Literal["release", "keep"]
OnConflict = Literal["queue", "skip", "replace"]
RetryOn = Literal["unreachable", "unknown", "failed"]
Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts a run: an alert that carries these labels, or (without either) a person."""

    match: Mapping[str, str] | None
    matchers: LabelMatch | None = None

    def is_for(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with *labels* starts a run."""
        if self.match is None and self.matchers is None:
            return False
        is_equal = all(labels.get(name) == value for name, value in (self.match or {}).items())
        return is_equal and (self.matchers is None or self.matchers.holds(labels))


@dataclass(frozen=True, slots=True)
class Input:
    """A value that expressions see as `inputs.<name>`.

    Args:
        default: None if whoever starts a run must give it.
        is_immutable: nobody may give another value than the default.
    """

    name: str
    type: Literal["string", "integer", "number", "boolean"]
    default: Scalar | None
    description: str = ""
    min: int | float | None = None
    max: int | float | None = None
    enum: tuple[Scalar, ...] | None = None
    pattern: str | None = None
    is_immutable: bool = False


@dataclass(frozen=True, slots=True)
class Approval:
    """*count* people, each with one of *roles*, must consent within *timeout_s*.

    Args:
        on_timeout: what a missing decision means: `abort` changes nothing, `proceed` goes on as if granted.
        excludes_requester: whether whoever asked for the run may not approve; None: if the action is risky.
    """

    roles: tuple[Role, ...]
    timeout_s: float
    reason: str = ""
    count: int = 1
    on_timeout: Literal["abort", "proceed"] = "abort"
    excludes_requester: bool | None = None


@dataclass(frozen=True, slots=True)
class Announce:
    """Say what is about to happen, then give people *for_s* to object or to offer capacity.

    Args:
        message: as written; may hold `${{ }}`.
        on_objection: `stop` ends the steps there, `skip` leaves this one out.
        calls_for_capacity: whether people are asked for spare capacity; each offer lengthens the countdown once.
    """

    message: str
    for_s: float
    on_objection: Literal["stop", "skip"] = "stop"
    calls_for_capacity: bool = False


@dataclass(frozen=True, slots=True)
class Verify:
    """PromQL that must hold for *for_s* without a break, within *timeout_s*; *expr* may hold `${{ }}`."""

    expr: str
    for_s: float
    timeout_s: float
    means: str


@dataclass(frozen=True, slots=True)
class Retry:
    """*attempts* tries in all; the pause starts at *delay_s*, grows *backoff*-fold up to *max_delay_s*.

    Args:
        on: after which failures: `unreachable` (nothing can have happened), `unknown` (the answer was lost; it is
            looked up first), `failed` (the action says that it failed).
    """

    attempts: int
    delay_s: float
    backoff: float = 2.0
    max_delay_s: float = 60.0
    on: tuple[RetryOn, ...] = ("unreachable", "unknown")

    def pauses(self) -> tuple[float | None, ...]:
        """The pause after each try, seconds; None after the last."""
        grown = (min(self.max_delay_s, self.delay_s * self.backoff**tried) for tried in range(self.attempts - 1))
        return (*grown, None)


@dataclass(frozen=True, slots=True)
class Undo:
    """The action that takes a step back, when releasing a lease is not enough."""

    uses: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Share:
    """One stage of a rollout: a number of items, or a percentage of all."""

    amount: int
    is_percent: bool

    def of(self, total: int) -> int:
        """How many of *total* items are done when this stage is over; at least one."""
        return max(1, min(total, -(-self.amount * total // 100) if self.is_percent else self.amount))


@dataclass(frozen=True, slots=True)
class Step:
    """One action of a runbook.

    Args:
        arguments: as written; strings may hold `${{ }}`.
        condition: CEL, or None for always.
        foreach: CEL that yields a list: the action is called for each `item` of it; None for one call.
        stages: after how many items the verification is made; empty: after all of them.
        timeout_s: longest time of one call.
        lease_s: the setting ends by itself this long after its last renewal; None for an action without lease.
        locks: what the step takes besides the knobs that its action turns, each as written.
        outputs: CEL over `result.<output>`, under the names that later steps see.
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
    announce: Announce | None = None
    foreach: str | None = None
    stages: tuple[Share, ...] = ()
    locks: tuple[str, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MaxRuns:
    """At most *count* runs for one target within *per_s*; the next one is given to a person."""

    count: int
    per_s: float


@dataclass(frozen=True, slots=True)
class Concurrency:
    """Of several runs of one *group* (CEL text; None: the runbook and cluster) what happens to the later."""

    group: str | None
    on_conflict: OnConflict


@dataclass(frozen=True, slots=True)
class Limits:
    """How many clusters the runbook's runs may hold something on at once; None: any number."""

    targets: int | None = None
    percent: int | None = None

    def most(self, fleet_size: int) -> int | None:
        """The largest number of clusters in a fleet of *fleet_size*; a percentage allows at least one."""
        by_percent = None if self.percent is None else max(1, fleet_size * self.percent // 100)
        known = [one for one in (self.targets, by_percent) if one is not None]
        return min(known) if known else None


@dataclass(frozen=True, slots=True)
class Runbook:
    """One revision of a runbook.

    Args:
        revision: SHA-256 of the file's text.
        source_json: the file's data as JSON: what a run is pinned to.
        cooldown_s: shortest time between the starts of two runs for one target.
        finals: steps under `finally`, made when nothing is held any more, however the run went.
        hold: how long it holds what it has set; None until its incident ends.
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
    is_enabled: bool = True
    cooldown_s: float = 0.0
    max_runs: MaxRuns = MaxRuns(6, 3600.0)
    concurrency: Concurrency = Concurrency(None, "queue")
    limits: Limits = Limits()
    on_resolve: OnResolve = "release"
    finals: tuple[Step, ...] = ()
    hold: Hold | None = None

    def hold_s(self, inputs: Mapping[str, object]) -> float | None:
        """How long a run with *inputs* holds what it has set, seconds; None until its incident ends."""
        return None if self.hold is None else self.hold.of(inputs, {one.name: one.default for one in self.inputs})

    @property
    def is_by_hand(self) -> bool:
        """Whether only people start it."""
        return all(one.match is None and one.matchers is None for one in self.triggers)

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The steps and those under `finally`, in order."""
        return (*self.steps, *self.finals)

    def step(self, step_id: str) -> Step:
        """The step with that id; also by the id of one of its items, `drain[2]`."""
        base = step_id.partition("[")[0]
        return next(step for step in self.all_steps if step.step_id == base)

    def before(self, step: Step) -> tuple[Step, ...]:
        """The steps that are made before *step*."""
        return self.all_steps[: self.all_steps.index(step)]
