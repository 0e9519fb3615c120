"""Test files as they are written: the shape of the YAML, field by field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from opsbot.incident.incident import IncidentState
from opsbot.people import Role
from opsbot.runbook.model import Scalar
from opsbot.runbook.run import RunState, StepState
from opsbot.runbook.wire import PositiveDuration, Text, WireModel
from opsbot.testing.doings import (
    DecisionField,
    HaltField,
    HoldField,
    OrderField,
    PauseField,
    SettleField,
    SkipField,
    StepRef,
)
from opsbot.testing.notation import NotationError, labels_of, values_of
from opsbot.yamlfile import Duration, suggest

NOT_STARTED = "not_started"
EVERY = "every"
MAX_TESTS = 200
MAX_SERIES = 200

OneOrMore = Annotated[
    list[StepRef],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


def _one_of(values: Sequence[str]) -> AfterValidator:
    def check(text: str) -> str:
        if text not in values:
            raise ValueError(f"{text!r} is none of {', '.join(values)}{suggest(text, values)}")
        return text

    return AfterValidator(check)


def _is_series(text: str) -> str:
    labels_of(text)
    return text


def _as_text(value: object) -> object:
    # A single value is a number to YAML.
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _are_values(text: str) -> str:
    values_of(text)
    return text


def _is_message(text: str) -> str:
    pattern = pattern_of(text)
    if pattern is not None:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{text!r} is no pattern: {error}") from error
    return text


def pattern_of(message: str) -> str | None:
    """What stands between the slashes of `/pattern/`; None for plain text."""
    is_pattern = len(message) > 2 and message.startswith("/") and message.endswith("/")
    return message[1:-1] if is_pattern else None


RUN_STATES = (NOT_STARTED, *(state.value for state in RunState))
STEP_STATES = tuple(state.value for state in StepState)
INCIDENT_STATES = tuple(state.value for state in IncidentState)
RunStateName = Annotated[str, _one_of(RUN_STATES), Field(json_schema_extra={"enum": list(RUN_STATES)})]
StepStateName = Annotated[str, _one_of(STEP_STATES), Field(json_schema_extra={"enum": list(STEP_STATES)})]
IncidentStateName = Annotated[str, _one_of(INCIDENT_STATES), Field(json_schema_extra={"enum": list(INCIDENT_STATES)})]
Message = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_is_message)]

assert issubclass(NotationError, ValueError), "pydantic reports it at its place"


class SeriesField(WireModel):
    """A series in promtool's notation."""

    series: Annotated[str, AfterValidator(_is_series)] = Field(description='`name{label="value"}`.')
    values: Annotated[
        str,
        BeforeValidator(_as_text),
        AfterValidator(_are_values),
        WithJsonSchema({"type": ["string", "number"]}),
    ] = Field(description="A value for each interval: `0.5 0.9x10 1+2x5 _ stale`.")


class AlertField(WireModel):
    """The alert that opens the incident."""

    labels: Mapping[str, str] | None = Field(
        default=None, min_length=1, description="Its labels; those that the runbook's first trigger matches, if absent."
    )
    annotations: Mapping[str, str] = Field(default_factory=dict)
    value: int | float | None = None
    at: Duration = Field(default=0.0, description="When it fires, from the beginning of the test.")


Reading = Mapping[str, JsonValue]


def _as_readings(value: object) -> object:
    if value == []:
        raise ValueError("an empty list says nothing; leave `prior` out, or give a reading")
    return [value] if isinstance(value, Mapping) else value


Readings = Annotated[
    list[Reading],
    BeforeValidator(_as_readings),
    WithJsonSchema(
        {"anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 20}]}
    ),
]


class CallField(WireModel):
    """What one call of a mocked action does."""

    outputs: Mapping[str, JsonValue] = Field(default_factory=dict, description="What it yields.")
    text: str = Field(default="", max_length=300, description="What it says of itself on the timeline.")
    error: Literal["refused", "unreachable", "lost", "unknown", "hangs"] | None = Field(
        default=None,
        description=(
            "refused: the server says no; unreachable: nothing can have happened; lost: it happened, and the answer "
            "was lost; unknown: lost, and it cannot be looked up either; hangs: no answer before the step's timeout, "
            "and nothing happened."
        ),
    )
    prior: Readings = Field(
        default_factory=list,
        max_length=20,
        description="What the action reads before it acts; of a list, one reading each, and the last for all more.",
    )
    sets: list[SeriesField] = Field(
        default_factory=list, max_length=MAX_SERIES, description="How series go on once it has acted."
    )
    sets_when_released: list[SeriesField] = Field(
        default_factory=list, max_length=MAX_SERIES, description="How they go on once it was released."
    )
    release_error: Literal["refused", "unreachable"] | None = Field(
        default=None, description="Why its lease cannot be given back."
    )


class MockField(CallField):
    """A mocked action: its first call, and what comes after it."""

    then: list[CallField] = Field(
        default_factory=list, max_length=50, description="Its second, third … call; the last one stands for all more."
    )

    @property
    def calls(self) -> tuple[CallField, ...]:
        """Call by call."""
        return (self, *self.then)


class CallExpectation(WireModel):
    """A call of an action that changes something."""

    step: StepRef
    action: str | None = None
    with_: Mapping[str, JsonValue] = Field(default_factory=dict, alias="with", description="These of its arguments.")


class ApprovalExpectation(WireModel):
    """A request for an approval."""

    step: StepRef
    role: Role | None = None
    will_do: str = Field(default="", description="Text that says what would be done, or a part of it.")
    state: Literal["open", "granted", "refused", "expired"] | None = None


class Expectation(WireModel):
    """What must have happened in the end; whatever is not named may be as it likes."""

    state: RunStateName | None = Field(default=None, description="The run's; not_started: the alert starts none.")
    incident: IncidentStateName | None = None
    detail: str = Field(default="", description="A part of what the run says about how it ended.")
    steps: Mapping[StepRef, StepStateName] = Field(default_factory=dict)
    calls: list[CallExpectation] | None = Field(
        default=None, description="All calls of actions that change something, in order; `[]`: none."
    )
    undone: list[StepRef] | None = Field(
        default=None, description="The steps that were taken back or released, in order; `[]`: none."
    )
    messages: list[Message] = Field(
        default_factory=list, description="Parts of the timeline's texts, in order; `/…/` is a regular expression."
    )
    no_messages: list[Message] = Field(default_factory=list, description="What the timeline must not say.")
    approvals: list[ApprovalExpectation] | None = Field(
        default=None, description="All requests for approvals, in order; `[]`: none."
    )
    outputs: Mapping[StepRef, Mapping[str, JsonValue]] = Field(default_factory=dict)
    duration: PositiveDuration | None = Field(
        default=None, description="The steps are over at most this long after the run was started."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Expectation:
        if not self.model_fields_set:
            raise ValueError("nothing is expected, so the test could not fail")
        return self


class TestField(WireModel):
    """One case."""

    __test__ = False

    name: Text = Field(description="What it shows; unique in the file.")
    input_series: list[SeriesField] = Field(
        default_factory=list, max_length=MAX_SERIES, description="More series; the same name again replaces the file's."
    )
    alert: AlertField | None = Field(default=None, description="Instead of the file's.")
    rules: str | None = Field(default=None, description="A file of alert rules that fire the alert themselves.")
    inputs: Mapping[str, Scalar] = Field(default_factory=dict, description="Values that the requester gives.")
    requester: str = Field(default="", max_length=64, description="Who asked for the run; an alert did, if absent.")
    drill: bool = Field(default=False, description="The run rehearses.")
    mock: Mapping[StepRef, MockField] = Field(
        default_factory=dict, description="By step: what its action does; instead of the file's."
    )
    approve: list[DecisionField] = Field(default_factory=list)
    deny: list[DecisionField] = Field(default_factory=list)
    object: list[DecisionField] = Field(default_factory=list, description="To an announcement.")
    go_now: list[DecisionField] = Field(default_factory=list, description="An announced step is made at once.")
    capacity: list[DecisionField] = Field(default_factory=list, description="Offers of capacity.")
    undo: OrderField | None = None
    cancel: OrderField | None = None
    pause: PauseField | None = Field(default=None, description="The run begins nothing until it is resumed.")
    skip: list[SkipField] = Field(default_factory=list, description="Steps that are left out.")
    settle: list[SettleField] = Field(default_factory=list, description="Words about acts whose outcome is unknown.")
    halt: HaltField | None = Field(default=None, description="All runs are stopped.")
    holds: list[HoldField] = Field(default_factory=list, description="Knobs that people hold.")
    slack: Literal["up", "down"] = Field(default="up", description="down: announcements can only be paged.")
    resolve: Duration | None = Field(default=None, description="When the alert ends, from the beginning.")
    crash_after: OneOrMore = Field(
        default_factory=list,
        description="The bot dies after the act of these steps (`every`: after each write in turn) and is resumed.",
    )
    stop_at: PositiveDuration | None = Field(default=None, description="When the test ends at the latest.")
    expect: Expectation


class TestFile(WireModel):
    """Tests of one runbook."""

    __test__ = False

    version: Literal[1] = Field(description="Version of this language.")
    runbook: str | None = Field(
        default=None, description="The runbook's file beside this one, or its id; NAME.yaml for NAME.test.yaml."
    )
    interval: PositiveDuration = Field(default=60.0, description="Between two values of a series.")
    clusters: list[str] = Field(default_factory=list, max_length=500, description="The fleet: `fleet.clusters`.")
    people: Mapping[str, list[Role]] = Field(
        default_factory=dict, description="Roles by name; whoever is not named has every role."
    )
    input_series: list[SeriesField] = Field(default_factory=list, max_length=MAX_SERIES, description="Of every test.")
    alert: AlertField = Field(default=AlertField(), description="Of every test.")
    mock: Mapping[StepRef, MockField] = Field(default_factory=dict, description="Of every test.")
    tests: list[TestField] = Field(min_length=1, max_length=MAX_TESTS)


def json_schema() -> dict[str, Any]:
    """JSON Schema of a test file, for editors."""
    schema = TestFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "opsbot runbook tests"}
