"""Rendering a step: types are kept, data is rendered once, and the digest tells arguments apart."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from opsbot.errors import ActionError
from opsbot.expression import ExpressionError
from opsbot.incident.incident import Incident, IncidentState
from opsbot.runbook.plan import Plan, digest_of, is_wanted, plan_step
from opsbot.runbook.scope import Earlier, RunFacts, values, variables
from tests.support.runbooks import registry, runbook

TEXT = """
version: 1
id: kv
name: Relieve the cache
owner: oncall
mode: auto
triggers: [{type: manual}]
inputs:
  batch_limit: {type: integer, default: 8}
  query: {type: string, default: "up{a='${{ incident.id }}'}"}
steps:
  - {id: usage, name: Read, uses: prometheus.query, with: {query: "${{ inputs.query }}"}}
  - id: resize
    name: Resize
    uses: serving.set_batch
    with: WITH
    if: CONDITION
    lease: 60s
"""
LABELS = {"alertname": "KVCachePressure", "cluster": "east"}


def plan(
    written: str = "{limit: 3}",
    *,
    step_id: str = "resize",
    labels: Mapping[str, str] = LABELS,
    usage: float | None = 0.9,
    condition: str = '"true"',
) -> tuple[Plan, bool]:
    """The plan of one step, and whether its condition is true."""
    loaded = runbook(TEXT.replace("WITH", written).replace("CONDITION", condition))
    step = loaded.step(step_id)
    incident = Incident("INC-7", "f", 1, "t", "", "high", labels, IncidentState.OPEN, 0.0, 0.0, value=0.93)
    names = variables(loaded, step, registry())
    results = {"usage": Earlier("succeeded", {"value": usage})}
    known = values(loaded, step, incident, RunFacts("run:r:f:1:1"), results, registry())
    return (
        plan_step(step, registry().get(step.uses), names, known, incident.labels),
        is_wanted(step, names, known),
    )


def test_a_whole_expression_keeps_its_type() -> None:
    """An integer stays one; arithmetic works on inputs and outputs."""
    assert plan('{limit: "${{ inputs.batch_limit / 2 }}"}')[0].plain["limit"] == 4
    assert plan('{limit: "${{ steps.usage.outputs.value > 0.5 ? 2 : 16 }}"}')[0].plain["limit"] == 2


def test_the_cluster_is_the_alerts_unless_one_is_named() -> None:
    """An action on a cluster acts where the alert comes from."""
    assert plan()[0].plain["cluster"] == "east"
    assert plan("{limit: 3, cluster: west}")[0].plain["cluster"] == "west"


def test_without_any_cluster_nothing_is_planned() -> None:
    """The message says what to write."""
    with pytest.raises(ActionError, match="no label `cluster`; name one under `with`"):
        plan(labels={"alertname": "KVCachePressure"})


def test_what_was_rendered_is_not_rendered_again() -> None:
    """An expression inside of data stays text."""
    assert plan(step_id="usage")[0].plain["query"] == "up{a='${{ incident.id }}'}"


def test_a_rendered_value_that_the_action_cannot_take_is_an_error() -> None:
    """The limits of the action hold for computed values too."""
    with pytest.raises(ActionError, match=r"serving.set_batch: limit is 0: .*greater than or equal to 1"):
        plan('{limit: "${{ inputs.batch_limit - 8 }}"}')


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("steps.usage.outputs.value > 0.5", True),
        ("steps.usage.outputs.value > 1", False),
        ("alert.labels.cluster == 'east' && alert.severity == 'high'", True),
        ("steps.usage.state == 'failed' || alert.value < 0.9", False),
    ],
)
def test_conditions_see_incident_inputs_and_earlier_steps(condition: str, expected: bool) -> None:
    """A condition is CEL over the declared names."""
    assert plan(condition=f'"{condition}"')[1] is expected


@pytest.mark.parametrize("condition", ["steps.usage.outputs.value > 0.5", "alert.labels.missing == 'x'"])
def test_a_condition_over_missing_data_has_no_value(condition: str) -> None:
    """It raises; it is never taken for false."""
    with pytest.raises(ExpressionError, match="has no value"):
        plan(condition=f'"{condition}"', usage=None)


def test_a_digest_is_of_action_arguments_and_lease() -> None:
    """Equal whatever the order of arguments, different for any other value."""
    digest = digest_of("a", {"x": 1, "y": "2"}, 60.0)
    assert digest == digest_of("a", {"y": "2", "x": 1}, 60.0)
    others = [("b", {"x": 1, "y": "2"}, 60.0), ("a", {"x": 2, "y": "2"}, 60.0), ("a", {"x": 1, "y": "2"}, 61.0)]
    assert digest not in {digest_of(*other) for other in others}
