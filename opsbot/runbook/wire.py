"""Runbooks as they are written: the shape of the YAML, field by field.

Only the loader reads these; everything else sees the frozen values of `opsbot.runbook.model`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from opsbot.alert.matching import MAX_MATCHERS, label_match
from opsbot.errors import ConfigError
from opsbot.people import Role
from opsbot.promql.pattern import PatternError, compiled
from opsbot.runbook.hold import HoldText
from opsbot.runbook.model import Input, Scalar
from opsbot.runbook.query import shape_problem
from opsbot.value_words import KeyProblem, shown
from opsbot.yamlfile import Duration


def _like(pattern: str, needed: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Marks text that must be like *pattern*; a mistake is told as *needed*."""
    like = re.compile(pattern)

    def check(text: str) -> str:
        if not like.fullmatch(text):
            raise ValueError(f"{needed}, not {shown(text)}")
        return text

    return AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


_ID = "lower-case text that begins with a letter is needed, of letters, digits and"
Identifier = Annotated[str, *_like(r"[a-z][a-z0-9-]{0,63}", f"{_ID} `-`")]
"""A runbook's id: it stands in run ids, so it has no colon and no slash."""
Name = Annotated[str, *_like(r"[a-z][a-z0-9_]{0,63}", f"{_ID} `_`")]
"""A step's or an input's id: it is a name in expressions."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=300)]
PositiveDuration = Annotated[Duration, Field(gt=0)]
Percent = Annotated[str, *_like(r"([1-9][0-9]?|100)%", "a number of items, or `1%` to `100%`, is needed")]
LockName = Annotated[
    str, *_like(r"[a-z0-9][a-z0-9_./-]{0,99}", "lower-case text of letters, digits and `_`, `.`, `/`, `-` is needed")
]


def _is_matcher(text: str) -> str:
    try:
        label_match([text])
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return text


def _is_pattern(text: str) -> str:
    try:
        compiled(text)
    except PatternError as error:
        raise ValueError(str(error)) from error
    return text


def _is_query(text: str) -> str:
    problem = shape_problem(text)
    if problem:
        raise ValueError(problem)
    return text


Matcher = Annotated[str, AfterValidator(_is_matcher)]
Pattern = Annotated[str, AfterValidator(_is_pattern)]
PromqlTemplate = Annotated[str, AfterValidator(_is_query)]


class WireModel(BaseModel):
    """A mapping that takes no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TriggerField(WireModel):
    """What starts a run."""

    type: Literal["alert", "manual"] = Field(description="alert: for each alert that matches; manual: when asked to.")
    match: Mapping[str, str] | None = Field(
        default=None, min_length=1, description="Labels that the alert must carry, with exact values."
    )
    matchers: list[Matcher] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_MATCHERS,
        description='Label matchers that must all hold, such as `severity=~"high|critical"`.',
    )

    @model_validator(mode="after")
    def _match_fits_type(self) -> TriggerField:
        has_match = self.match is not None or self.matchers is not None
        if self.type == "alert" and not has_match:
            raise ValueError("an alert trigger needs `match` or `matchers`: which alerts start a run?")
        if self.type == "manual" and has_match:
            key = "matchers" if self.match is None else "match"
            raise KeyProblem(key, "only a trigger of type `alert` has it; leave this out", at_key=True)
        return self


class InputField(WireModel):
    """One value that the steps may use as `inputs.<name>`."""

    type: Literal["string", "integer", "number", "boolean"]
    description: str = ""
    default: Scalar | None = Field(
        default=None, description="The value it has unless another is given; it must fit the type and the limits."
    )
    required: bool = Field(default=False, description="Whoever starts a run must give it; it has no default.")
    min: int | float | None = Field(default=None, description="Smallest number allowed.")
    max: int | float | None = Field(default=None, description="Largest number allowed.")
    enum: list[Scalar] | None = Field(default=None, min_length=1, description="The only values allowed.")
    pattern: Pattern | None = Field(default=None, description="RE2-like pattern that a text must match as a whole.")
    immutable: bool = Field(default=False, description="Nobody may give another value than the default.")

    @model_validator(mode="after")
    def _default_fits(self) -> InputField:
        self._limits_fit()
        if self.required and self.default is not None:
            raise KeyProblem("default", "a required input has no default; leave out one of the two")
        if self.required and self.immutable:
            raise KeyProblem("required", "an immutable input needs a `default` instead", at_key=True)
        if not self.required and self.default is None:
            if "default" in self.model_fields_set:
                raise KeyProblem("default", "null is no value; give one, or write `required: true` instead")
            raise ValueError("say `default: …`, or `required: true`")
        if self.default is not None:
            wrong = why_unfit(to_input("", self), self.default)
            if wrong:
                raise KeyProblem("default", wrong)
        return self

    def _limits_fit(self) -> None:
        if self.pattern is not None and self.type != "string":
            raise KeyProblem("pattern", f"only a string has a pattern, and this is of type {self.type}", at_key=True)
        for key, limit in (("min", self.min), ("max", self.max)):
            if limit is not None and self.type not in ("integer", "number"):
                raise KeyProblem(key, f"only a number has limits, and this is of type {self.type}", at_key=True)
        if self.min is not None and self.max is not None and self.min > self.max:
            raise KeyProblem("max", f"{self.max} is less than min {self.min}; no value would be allowed")
        for one in self.enum or ():
            if not is_of_type(self.type, one):
                raise KeyProblem("enum", f"{shown(one)} is no {self.type}, which the input's type is")


class ApprovalField(WireModel):
    """People must consent before the step acts."""

    from_: Role | list[Role] = Field(alias="from", description="The role, or roles, that may decide.")
    count: int = Field(default=1, ge=1, le=5, description="How many people must consent.")
    timeout: PositiveDuration = Field(default=600.0, description="How long to wait for a decision.")
    on_timeout: Literal["abort", "proceed"] = Field(
        default="abort", description="Without a decision: abort changes nothing, proceed goes on as if granted."
    )
    exclude_requester: bool | None = Field(
        default=None, description="Whoever asked for the run may not approve it; unless stated, if the action is risky."
    )
    reason: str = Field(default="", max_length=500, description="What the person should weigh.")


class AnnounceField(WireModel):
    """Say what is about to happen, and give people time to object."""

    message: str = Field(min_length=1, max_length=1000, description="What is about to happen; may hold `${{ }}`.")
    for_: PositiveDuration = Field(
        default=300.0, alias="for", description="The countdown; it begins once the message was delivered."
    )
    on_objection: Literal["stop", "skip"] = Field(
        default="stop", description="stop: no further step; skip: leave this step out and go on."
    )
    call_for_capacity: bool = Field(default=False, description="Ask people for capacity; an offer buys time once.")


class VerifyField(WireModel):
    """A PromQL condition that must hold for a while after the step has acted."""

    expr: PromqlTemplate = Field(
        description="PromQL; it holds when it yields at least one series. Label values may hold `${{ }}`."
    )
    for_: Duration = Field(default=0.0, alias="for", description="How long it must hold without a break.")
    timeout: PositiveDuration = Field(default=60.0, description="How long to wait for that.")
    means: str = Field(default="", max_length=120, description="What it means in plain words, for the timeline.")


class RetryField(WireModel):
    """How often a call that may be repeated is tried."""

    attempts: int = Field(default=3, ge=1, le=10, description="Tries in all.")
    delay: Duration = Field(default=1.0, description="Pause before the second try.")
    backoff: int | float = Field(default=2.0, ge=1, le=10, description="How many times longer each next pause is.")
    max_delay: Duration = Field(default=60.0, description="Longest pause.")
    on: list[Literal["unreachable", "unknown", "failed"]] = Field(
        default=["unreachable", "unknown"],
        min_length=1,
        description=(
            "After which failures: unreachable (nothing can have happened), unknown (the answer was lost; it is looked "
            "up first), failed (the action says so)."
        ),
    )


class UndoField(WireModel):
    """The action that takes the step back; a step that holds a lease needs none."""

    uses: str = Field(description="The action's name.")
    with_: Mapping[str, JsonValue] = Field(default_factory=dict, alias="with", description="Its arguments.")


class StepField(WireModel):
    """One action with its approval, verification and undo."""

    id: Name = Field(description="Its name in expressions: `steps.<id>.outputs.<name>`.")
    name: Text = Field(description="What people read.")
    uses: str = Field(description="The action's name.")
    with_: Mapping[str, JsonValue] = Field(default_factory=dict, alias="with", description="The action's arguments.")
    if_: str | None = Field(default=None, alias="if", description="CEL condition; the step is skipped when false.")
    foreach: str | None = Field(
        default=None, description="CEL that yields a list: the action is called for each `item` of it."
    )
    stages: list[Annotated[int, Field(ge=1)] | Percent] | None = Field(
        default=None,
        min_length=1,
        max_length=10,
        description="With foreach: after how many items to verify before going on, e.g. `[1, 25%, 100%]`.",
    )
    timeout: PositiveDuration = Field(default=30.0, description="Longest time that one call of the action may take.")
    retry: RetryField = RetryField()
    continue_on_error: bool = Field(default=False, description="Go on with the next step when this one breaks.")
    approval: ApprovalField | None = None
    announce: AnnounceField | None = None
    locks: list[LockName] = Field(
        default_factory=list,
        max_length=8,
        description="What nobody else may use meanwhile, besides the knobs that the action turns.",
    )
    lease: PositiveDuration | None = Field(
        default=None, description="The setting ends by itself this long after its last renewal."
    )
    verify: VerifyField | None = None
    on_verify_failed: Literal["continue", "undo", "stop"] = Field(
        default="continue",
        description="Keep the setting and go on, take the step back and end the run, or keep it and do no more.",
    )
    undo: UndoField | None = None
    outputs: Mapping[Name, str] = Field(
        default_factory=dict, description="More outputs, each CEL over `result.<output of the action>`."
    )


class MaxRunsField(WireModel):
    """How often a runbook may run for one target; past that a person must look."""

    count: int = Field(default=6, ge=1, le=1000)
    per: PositiveDuration = Field(default=3600.0)


class ConcurrencyField(WireModel):
    """What happens when a run of the same group is under way."""

    group: str | None = Field(
        default=None, max_length=200, description="Text, may hold `${{ }}`; the runbook and the cluster unless stated."
    )
    on_conflict: Literal["queue", "skip", "replace"] = Field(
        default="queue",
        description="queue: start when the other's steps are over; skip: do not start; replace: undo the other first.",
    )


class LimitsField(WireModel):
    """On how many clusters this runbook's runs may hold something at once."""

    targets: int | None = Field(default=None, ge=1, description="At most so many clusters.")
    percent: int | None = Field(default=None, ge=1, le=100, description="At most this share of the fleet.")


class RunbookFile(WireModel):
    """A runbook: how to undo one kind of trouble, step by step."""

    version: Literal[1] = Field(description="Version of this language.")
    id: Identifier = Field(description="Unique among all runbooks.")
    name: Text = Field(description="What people read.")
    description: str = ""
    owner: str = Field(min_length=1, description="Who keeps it right.")
    mode: Literal["observe", "suggest", "auto"] = Field(
        description="observe: say what it would do; suggest: ask before every change; auto: ask where a step says so."
    )
    enabled: bool = Field(default=True, description="false: loaded and checked, never started.")
    triggers: list[TriggerField] = Field(min_length=1)
    inputs: Mapping[Name, InputField] = Field(default_factory=dict)
    timeout: PositiveDuration = Field(default=3600.0, description="Longest time for all steps together.")
    steps: list[StepField] = Field(min_length=1, max_length=50)
    on_failure: Literal["rollback", "stop"] = Field(
        default="rollback", description="When a step breaks: take back what was set, or keep it and do no more."
    )
    on_resolve: Literal["release", "keep"] = Field(
        default="release",
        description="When the incident ends: give back what was set, the youngest first; or keep it until it expires.",
    )
    hold: HoldText | None = Field(
        default=None,
        description="Give back what was set after this long, at the latest when the incident ends: `10m`, or a text "
        "input, `${{ inputs.length }}`.",
    )
    cooldown: Duration = Field(default=0.0, description="Shortest time between two runs for one target.")
    max_runs: MaxRunsField = MaxRunsField()
    concurrency: ConcurrencyField = ConcurrencyField()
    limits: LimitsField = LimitsField()
    finally_: list[StepField] = Field(
        default_factory=list,
        alias="finally",
        max_length=10,
        description="Steps made at the very end, when nothing is held any more, however the run went.",
    )


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def to_input(name: str, field: InputField) -> Input:
    """The frozen value of an input."""
    enum = None if field.enum is None else tuple(field.enum)
    return Input(
        name, field.type, field.default, field.description.strip(), field.min, field.max, enum, field.pattern,
        field.immutable,
    )  # fmt: skip


def is_of_type(kind: str, value: object) -> bool:
    """Whether *value* is of an input's type; true and false are no numbers."""
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def why_unfit(field: Input, value: object) -> str:
    """Why *value* cannot be this input's value; empty when it can."""
    if not is_of_type(field.type, value):
        return f"{shown(value)} is no {field.type}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if field.min is not None and value < field.min:
            return f"{value!r} is less than min {field.min}"
        if field.max is not None and value > field.max:
            return f"{value!r} is more than max {field.max}"
    if field.enum is not None and value not in field.enum:
        return f"{value!r} is none of {', '.join(repr(one) for one in field.enum)}"
    if field.pattern is not None and isinstance(value, str) and not compiled(field.pattern).fullmatch(value):
        return f"{value!r} does not match the pattern {field.pattern}"
    return ""
