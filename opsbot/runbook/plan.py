"""Renders a step: its condition, its arguments, and the digest that an approval is bound to.

Data is rendered once and never again, so nothing that came from an alert can become an expression.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from opsbot.errors import ActionError
from opsbot.expression import Expression, ExpressionError, Variables, compile_value, render_value
from opsbot.runbook.action import Action
from opsbot.runbook.model import Step
from opsbot.runbook.probe import promql_fields
from opsbot.runbook.query import compile_query

MAX_ITEMS = 100
"""Of one `foreach`: each is a call, and a line that somebody approves."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a step is about to do.

    Args:
        arguments: checked by the action.
        plain: the same as JSON values, to be stored.
        digest: SHA-256 over action, arguments and lease, hex.
    """

    arguments: BaseModel
    plain: Mapping[str, Any]
    digest: str


def is_wanted(step: Step, names: Variables, values: Mapping[str, object]) -> bool:
    """Whether the step's condition is true.

    Raises: ExpressionError if it has no value; then the step must not act.
    """
    if step.condition is None:
        return True
    return Expression.compile(step.condition, names).evaluate_bool(values)


def items(step: Step, names: Variables, values: Mapping[str, object]) -> tuple[object, ...]:
    """What the step's `foreach` yields.

    Raises: ExpressionError if that is no list of plain values, or too long.
    """
    assert step.foreach is not None
    found = Expression.compile(step.foreach, names).evaluate(values)
    if not isinstance(found, list):
        raise ExpressionError(f"`{step.foreach}` is {found!r}, not a list")
    if len(found) > MAX_ITEMS:
        raise ExpressionError(f"`{step.foreach}` has {len(found)} items; {MAX_ITEMS} are allowed")
    return tuple(found)


def plan_step(
    step: Step, action: Action[Any], names: Variables, values: Mapping[str, object], alert_labels: Mapping[str, str]
) -> Plan:
    """Render the step's arguments.

    Raises: ExpressionError; ActionError if the action cannot take what was rendered.
    """
    return plan_arguments(step.arguments, action, names, values, alert_labels, step.lease_s)


def plan_arguments(
    written: Mapping[str, object],
    action: Action[Any],
    names: Variables,
    values: Mapping[str, object],
    alert_labels: Mapping[str, str],
    lease_s: float | None,
) -> Plan:
    """Render arguments as written. An action that has a `cluster` acts on the alert's unless one is given."""
    rendered = render_arguments(written, action, names, values)
    if "cluster" in action.arguments.model_fields and "cluster" not in rendered:
        cluster = alert_labels.get("cluster")
        if cluster is None:
            raise ActionError(f"{action.name}: the alert has no label `cluster`; name one under `with`")
        rendered["cluster"] = cluster
    try:
        arguments: BaseModel = action.arguments.model_validate(rendered)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ActionError(f"{action.name}: {place} is {first['input']!r}: {first['msg']}") from error
    return Plan(arguments, rendered, digest_of(action.name, rendered, lease_s))


def render_arguments(
    written: Mapping[str, object], action: Action[Any], names: Variables, values: Mapping[str, object]
) -> dict[str, Any]:
    """Arguments with their expressions' values, not checked by the action yet; raises ExpressionError."""
    queries = promql_fields(action.arguments)
    compiled, mistakes = compile_value({key: one for key, one in written.items() if key not in queries}, names)
    if mistakes:
        raise mistakes[0][1]
    rendered = render_value(compiled, values)
    assert isinstance(rendered, dict)
    for key in queries & written.keys():
        rendered[key] = compile_query(str(written[key]), names).render(values)
    return rendered


def digest_of(action_name: str, plain: Mapping[str, Any], lease_s: float | None) -> str:
    """What an approval is worth for: this action with these arguments and this lease, and nothing else."""
    text = json.dumps([action_name, plain, lease_s], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
