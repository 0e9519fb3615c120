"""The names that expressions of a runbook may use, with their types and, during a run, their values.

Names are declared in full (`inputs.batch_limit`), so a misspelt one is found when the file is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from opsbot.expression import Variables, VariableType

if TYPE_CHECKING:
    from opsbot.incident.incident import Incident
    from opsbot.runbook.action import ActionRegistry, Facts
    from opsbot.runbook.model import Runbook, Step
    from opsbot.runbook.run import Run

INCIDENT_VARIABLES: Mapping[str, VariableType] = {
    "incident.id": "string",
    "alert.name": "string",
    "alert.severity": "string",
    "alert.labels": "map",
    "alert.value": "dyn",
    "run.id": "string",
    "run.requester": "string",
    "run.is_drill": "boolean",
    "fleet.clusters": "list",
}
"""What every expression may name."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What expressions see of the run itself.

    Args:
        requester: the person who asked for it; empty for an alert's.
        inputs: the values that were given; all others are the defaults.
        clusters: every cluster that opsbot.yaml names.
    """

    run_id: str
    requester: str = ""
    is_drill: bool = False
    inputs: Facts = field(default_factory=dict)
    clusters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier steps left for expressions.

    Args:
        state: a value of `opsbot.runbook.run.StepState`.
        outputs: empty for a step that did not act.
    """

    state: str
    outputs: Facts


def incident_of(run: Run, incident: Incident) -> Incident:
    """The run's incident with the labels of the alert that asked for the run; others may have joined it since."""
    return incident if run.labels is None else replace(incident, labels=run.labels)


def variables(runbook: Runbook, step: Step | None, registry: ActionRegistry) -> Variables:
    """What *step* may name: the incident, the inputs, the steps before it, and `item`; None: what the head may."""
    found: dict[str, VariableType] = dict(INCIDENT_VARIABLES)
    for one in runbook.inputs:
        found[f"inputs.{one.name}"] = one.type
    for earlier in () if step is None else runbook.before(step):
        found[f"steps.{earlier.step_id}.state"] = "string"
        for output in _outputs(earlier, registry):
            found[f"steps.{earlier.step_id}.outputs.{output}"] = "dyn"
    if step is not None and step.foreach is not None:
        found["item"] = "dyn"
    return found


def result_variables(step: Step, registry: ActionRegistry) -> Variables:
    """What a step's `outputs` may name besides: `result.<output of its action>`."""
    action = registry.find(step.uses)
    return {f"result.{output}": "dyn" for output in action.output_names()} if action else {}


def values(
    runbook: Runbook,
    step: Step | None,
    incident: Incident,
    facts: RunFacts,
    results: Mapping[str, Earlier],
    registry: ActionRegistry,
) -> dict[str, object]:
    """The values of those names now, without `item`; an output of a step that did not act is null."""
    found: dict[str, object] = {
        "incident.id": incident.incident_id,
        "alert.name": incident.labels.get("alertname", ""),
        "alert.severity": incident.severity,
        "alert.labels": dict(incident.labels),
        "alert.value": incident.value,
        "run.id": facts.run_id,
        "run.requester": facts.requester,
        "run.is_drill": facts.is_drill,
        "fleet.clusters": list(facts.clusters),
    }
    for one in runbook.inputs:
        found[f"inputs.{one.name}"] = facts.inputs.get(one.name, one.default)
    for earlier in () if step is None else runbook.before(step):
        result = results.get(earlier.step_id)
        found[f"steps.{earlier.step_id}.state"] = result.state if result else "pending"
        for output in _outputs(earlier, registry):
            found[f"steps.{earlier.step_id}.outputs.{output}"] = result.outputs.get(output) if result else None
    return found


def _outputs(step: Step, registry: ActionRegistry) -> tuple[str, ...]:
    """The names of a step's outputs: for one with `foreach`, `items` holds those of each call."""
    if step.foreach is not None:
        return ("items",)
    action = registry.find(step.uses)
    return (*(action.output_names() if action else ()), *step.outputs)
