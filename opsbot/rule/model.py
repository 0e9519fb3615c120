"""An alert rule, as it is written and as it is evaluated.

The file format is Prometheus's; `clear_expr`, `clear_for` and `no_data` are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import promql_parser as tree
from pydantic import BaseModel, ConfigDict, Field

from opsbot.yamlfile import Duration

NoData = Literal["hold", "resolve", "fire"]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RuleWire(_Wire):
    """One rule as it is written."""

    alert: str = Field(min_length=1, description="The alert's name.")
    expr: str = Field(description="PromQL; the alert holds for every element it yields.")
    for_: Duration = Field(default=0.0, alias="for", description="How long it must hold before the alert fires.")
    keep_firing_for: Duration = Field(default=0.0, description="How long the alert goes on after it stopped holding.")
    clear_expr: str | None = Field(
        default=None,
        description=(
            "PromQL; a firing alert ends only when this yields its labels (a lower level), or those of them it keeps."
        ),
    )
    clear_for: Duration = Field(default=0.0, description="How long clear_expr must hold before the alert ends.")
    no_data: NoData = Field(
        default="hold",
        description=(
            "What missing data means: hold (default) keeps the alert's state and says so, resolve ends it, "
            "fire is hold and also fires when there is no data for the whole rule."
        ),
    )
    labels: dict[str, str] = Field(default_factory=dict, description="Added to the element's labels; `severity` too.")
    annotations: dict[str, str] = Field(
        default_factory=dict, description="Text for people; {{ label }} and {{ value }} are filled in."
    )


class GroupWire(_Wire):
    """A named group of rules."""

    name: str
    interval: Duration | None = Field(default=None, description="Accepted for Prometheus's sake; we evaluate at 1 s.")
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


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a rule file."""
    return RuleFileWire.model_json_schema(by_alias=True)
