"""A rule, as it is written and as it is evaluated: one that alerts, or one that records a series.

The file format is Prometheus's; `clear_expr`, `clear_for`, `no_data`, `severity` and `runbook` are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import promql_parser as tree
from pydantic import BaseModel, ConfigDict, Field

from opsbot.alert.alert import Severity
from opsbot.alert.all_clear import LOOK_BACK_S, WITHIN_S
from opsbot.yamlfile import Duration

NoData = Literal["hold", "resolve", "fire"]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AllClearWire(_Wire):
    """What must be asked before the alert's end is an all-clear."""

    expr: str = Field(description="PromQL of the load; the series that agrees with the alert's labels counts.")
    limit: float = Field(gt=0, description="The value at which capacity is met.")
    within: Duration = Field(default=WITHIN_S, description="Meeting capacity that soon is no all-clear.")
    look_back: Duration = Field(default=LOOK_BACK_S, description="How much history the trend is taken from.")


class RuleWire(_Wire):
    """One rule as it is written."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["alert"]}, {"required": ["record"]}]})

    alert: str | None = Field(default=None, min_length=1, description="The alert's name.")
    record: str | None = Field(
        default=None,
        pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$",
        description="In place of `alert`: the series' name under which the result is kept, for other rules to ask for.",
    )
    expr: str = Field(description="PromQL; the alert holds, or a sample is recorded, for every element it yields.")
    for_: Duration = Field(default=0.0, alias="for", description="How long it must hold before the alert fires.")
    keep_firing_for: Duration = Field(default=0.0, description="How long the alert goes on after it stopped holding.")
    clear_expr: str | None = Field(
        default=None,
        description=(
            "PromQL; a firing alert ends only when this yields its labels (a lower level), or those of them it keeps."
        ),
    )
    clear_for: Duration = Field(default=0.0, description="How long clear_expr must hold before the alert ends.")
    all_clear: AllClearWire | None = Field(
        default=None,
        description="When the alert ends while this load's trend meets its capacity, the incident stays open.",
    )
    no_data: NoData = Field(
        default="hold",
        description=(
            "What missing data means: hold (default) keeps the alert's state and says so, resolve ends it, "
            "fire is hold and also fires when there is no data for the whole rule."
        ),
    )
    severity: Severity | None = Field(
        default=None, description="Becomes the label `severity`, in place of what `labels` has."
    )
    runbook: str | None = Field(
        default=None,
        min_length=1,
        description="What people do about it: a runbook's id or an address. Becomes the annotation `runbook`.",
    )
    labels: dict[str, str] = Field(default_factory=dict, description="Added to the element's labels; `severity` too.")
    annotations: dict[str, str] = Field(
        default_factory=dict,
        description="Text for people; {{ label }}, {{ $labels.x }}, {{ $value | humanize }} and so on are filled in.",
    )


class GroupWire(_Wire):
    """A named group of rules."""

    name: str
    interval: Duration | None = Field(
        default=None, description="Read for Prometheus's sake and not used: every rule is evaluated each second."
    )
    limit: int = Field(
        default=0, ge=0, description="The most alerts or series that one rule may yield; more is an error. 0: no limit."
    )
    labels: dict[str, str] = Field(default_factory=dict, description="Added to every rule's labels; a rule's own win.")
    rules: list[RuleWire]


class RuleFileWire(_Wire):
    """A rule file."""

    groups: list[GroupWire]


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert rule, ready to evaluate; durations in seconds.

    Args:
        revision: changes when `expr`, `clear_expr` or `labels` change: then old alerts may be another's.
        origin: the file that it is from.
    """

    name: str
    revision: str
    expr: tree.Expr
    clear_expr: tree.Expr | None
    for_s: float
    keep_firing_for_s: float
    clear_for_s: float
    no_data: NoData
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    origin: str
    limit: int = 0


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A series that is computed from others.

    Args:
        labels: added to each element's; the metric's name becomes `name`.
        origin, line, column: where it stands.
        limit: the most series that it may yield; 0 for any number.
    """

    name: str
    expr: tree.Expr
    labels: Mapping[str, str]
    origin: str
    line: int
    column: int
    limit: int = 0


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a rule file."""
    return RuleFileWire.model_json_schema(by_alias=True)
