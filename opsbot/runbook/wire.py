"""Runbooks as they are written: the shape of the YAML, field by field.

Only the loader reads these; everything else sees the frozen values of `opsbot.runbook.model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from opsbot.people import Role
from opsbot.runbook.probe import Promql
from opsbot.yamlfile import Duration

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
"""A runbook's id: it stands in run ids, so it has no colon and no slash."""
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""A step's or an input's id: it is a name in expressions."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Scalar = str | int | float | bool
PositiveDuration = Annotated[Duration, Field(gt=0)]


class WireModel(BaseModel):
    """A mapping that takes no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TriggerField(WireModel):
    """What starts a run."""

    type: Literal["alert", "manual"] = Field(description="alert: for each alert that matches; manual: when asked to.")
    match: Mapping[str, str] | None = Field(
        default=None, min_length=1, description="Labels that the alert must carry, with exact values."
    )

    @model_validator(mode="after")
    def _match_fits_type(self) -> TriggerField:
        if (self.type == "alert") is not (self.match is not None):
            raise ValueError("an alert trigger needs `match`" if self.type == "alert" else "only alerts are matched")
        return self


class InputField(WireModel):
    """One value that the steps may use as `inputs.<name>`."""

    type: Literal["string", "integer", "number", "boolean"]
    description: str = ""
    default: Scalar = Field(description="The value it has; it must fit the type and the limits.")
    min: int | float | None = Field(default=None, description="Smallest number allowed.")
    max: int | float | None = Field(default=None, description="Largest number allowed.")
    enum: list[Scalar] | None = Field(default=None, description="The only values allowed.")

    @model_validator(mode="after")
    def _default_fits(self) -> InputField:
        wrong = why_unfit(self, self.default)
        if wrong:
            raise ValueError(f"the default {wrong}")
        return self


class ApprovalField(WireModel):
    """A person must consent before the step acts."""

    from_: Role = Field(alias="from", description="The role that may decide.")
    timeout: PositiveDuration = Field(default=600.0, description="How long to wait for a decision.")
    on_timeout: Literal["abort"] = Field(default="abort", description="Without a decision nothing is changed.")
    reason: str = Field(default="", description="What the person should weigh.")


class VerifyField(WireModel):
    """A PromQL condition that must hold for a while after the step has acted."""

    expr: Promql = Field(description="PromQL; it holds when it yields at least one series.")
    for_: Duration = Field(default=0.0, alias="for", description="How long it must hold without a break.")
    timeout: PositiveDuration = Field(default=60.0, description="How long to wait for that.")
    means: str = Field(default="", max_length=120, description="What it means in plain words, for the timeline.")


class RetryField(WireModel):
    """How often a call that may be repeated is tried."""

    attempts: int = Field(default=3, ge=1, le=10, description="Tries in all.")
    delay: Duration = Field(default=1.0, description="Pause before the second try; it doubles each time.")


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
    timeout: PositiveDuration = Field(default=30.0, description="Longest time that one call of the action may take.")
    retry: RetryField = RetryField()
    continue_on_error: bool = Field(default=False, description="Go on with the next step when this one breaks.")
    approval: ApprovalField | None = None
    lease: PositiveDuration | None = Field(
        default=None, description="The setting ends by itself this long after its last renewal."
    )
    verify: VerifyField | None = None
    on_verify_failed: Literal["continue", "undo", "stop"] = Field(
        default="continue",
        description="Keep the setting and go on, take the step back and end the run, or keep it and do no more.",
    )
    undo: UndoField | None = None


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
    triggers: list[TriggerField] = Field(min_length=1)
    inputs: Mapping[Name, InputField] = Field(default_factory=dict)
    timeout: PositiveDuration = Field(default=3600.0, description="Longest time for all steps together.")
    steps: list[StepField] = Field(min_length=1, max_length=50)
    on_failure: Literal["rollback", "stop"] = Field(
        default="rollback", description="When a step breaks: take back what was set, or keep it and do no more."
    )
    on_resolve: Literal["release"] = Field(
        default="release", description="When the incident ends, what was set is taken back in reverse order."
    )


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def why_unfit(field: InputField, value: object) -> str:
    """Why *value* cannot be this input's value; empty when it can."""
    is_odd_boolean = isinstance(value, bool) and field.type != "boolean"
    if not isinstance(value, _TYPES[field.type]) or is_odd_boolean:
        return f"{value!r} is no {field.type}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if field.min is not None and value < field.min:
            return f"{value!r} is less than min {field.min}"
        if field.max is not None and value > field.max:
            return f"{value!r} is more than max {field.max}"
    if field.enum is not None and value not in field.enum:
        return f"{value!r} is none of {', '.join(repr(one) for one in field.enum)}"
    return ""


def json_schema() -> dict[str, Any]:
    """JSON Schema of a runbook file, for editors."""
    schema = RunbookFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "opsbot runbook"}
