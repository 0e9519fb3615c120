"""What expressions see in a dry run: all that is known now, and of the rest on which step it depends.

An expression is evaluated without the values that are not known. Where it has a value all the same, as
`true || steps.later.outputs.value > 1`, that value does not depend on them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from opsbot.expression import ExpressionError, Variables
from opsbot.incident.incident import Incident
from opsbot.runbook.action import ActionRegistry
from opsbot.runbook.model import Runbook, Step
from opsbot.runbook.scope import Earlier, RunFacts, values, variables

T = TypeVar("T")


class Depends(Exception):
    """A value depends on how an earlier step ends; the text says on which."""


@dataclass(slots=True)
class Scope:
    """The names of one run, with the results of the steps that were looked at so far."""

    runbook: Runbook
    incident: Incident
    facts: RunFacts
    registry: ActionRegistry
    results: dict[str, Earlier] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def names(self, step: Step | None) -> Variables:
        """What *step* may name."""
        return variables(self.runbook, step, self.registry)

    def known(self, step: Step | None) -> dict[str, object]:
        """The values that are known."""
        found = values(self.runbook, step, self.incident, self.facts, self.results, self.registry)
        hidden = tuple(f"steps.{step_id}." for step_id in self.unknown)
        return {name: value for name, value in found.items() if not name.startswith(hidden)} if hidden else found

    def evaluated(self, written: object, evaluate: Callable[[], T]) -> T:
        """What *evaluate* makes of *written*.

        Raises: Depends; ExpressionError if it has no value whatever the steps yield.
        """
        try:
            return evaluate()
        except ExpressionError as error:
            text = written if isinstance(written, str) else json.dumps(written)
            needed = [one for one in self.unknown if re.search(rf"\bsteps\.{one}\.", text)]
            if not needed:
                raise
            plural = "s" if len(needed) > 1 else ""
            raise Depends(f"depends on the outcome of step{plural} {', '.join(needed)}") from error

    def learn(self, step: Step, state: str, outputs: Mapping[str, object] | None = None) -> None:
        """A step whose end is known."""
        self.results[step.step_id] = Earlier(state, dict(outputs or {}))

    def leave_open(self, step: Step) -> None:
        """A step whose end only a run can tell."""
        self.unknown.append(step.step_id)
