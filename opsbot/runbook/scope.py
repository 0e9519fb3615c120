"""The names that expressions of a runbook may use, with their types and, during a run, their values.

Names are declared in full (`inputs.batch_limit`), so a misspelt one is found when the file is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opsbot.expression import Variables, VariableType

if TYPE_CHECKING:
    from opsbot.incident.incident import Incident
    from opsbot.runbook.action import ActionRegistry, Facts
    from opsbot.runbook.model import Input, Runbook, Step
    from opsbot.runbook.run import Run

INCIDENT_VARIABLES: Mapping[str, VariableType] = {
    "incident.id": "string",
    "alert.name": "string",
    "alert.severity": "string",
    "alert.labels": "map",
    "alert.value": "dyn",
}


@dataclass(frozen=True, slots=True)
class StepResult:
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


def variables(inputs: tuple[Input, ...], earlier: tuple[Step, ...], registry: ActionRegistry) -> Variables:
    """What a step may name: the incident, the inputs, and the steps before it."""
    found: dict[str, VariableType] = dict(INCIDENT_VARIABLES)
    for one in inputs:
        found[f"inputs.{one.name}"] = one.type
    for step in earlier:
        found[f"steps.{step.step_id}.state"] = "string"
        action = registry.find(step.uses)
        for output in action.outputs if action else ():
            found[f"steps.{step.step_id}.outputs.{output}"] = "dyn"
    return found


def values(
    runbook: Runbook, step: Step, incident: Incident, results: Mapping[str, StepResult], registry: ActionRegistry
) -> dict[str, object]:
    """The values of those names now; an output of a step that did not act is null."""
    found: dict[str, object] = {
        "incident.id": incident.incident_id,
        "alert.name": incident.labels.get("alertname", ""),
        "alert.severity": incident.severity,
        "alert.labels": dict(incident.labels),
        "alert.value": incident.value,
    }
    for one in runbook.inputs:
        found[f"inputs.{one.name}"] = one.default
    for other in runbook.steps:
        if other.step_id == step.step_id:
            break
        result = results.get(other.step_id)
        found[f"steps.{other.step_id}.state"] = result.state if result else "pending"
        action = registry.find(other.uses)
        for output in action.outputs if action else ():
            found[f"steps.{other.step_id}.outputs.{output}"] = result.outputs.get(output) if result else None
    return found
