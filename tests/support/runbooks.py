"""Runbooks in tests: a registry without servers, and loading text."""

from __future__ import annotations

from opsbot.action import ControlClient, shipped_actions
from opsbot.clock import SystemClock
from opsbot.errors import SourceError
from opsbot.runbook.action import ActionRegistry
from opsbot.runbook.loader import loads_runbook
from opsbot.runbook.model import Runbook
from opsbot.runbook.probe import Verdict


class NoMetrics:
    """Implements Prober where nobody measures anything."""

    async def check(self, expr: str, /) -> Verdict:
        return "unknown"

    async def value(self, expr: str, /) -> float | None:
        raise SourceError("there are no metrics here")


def registry() -> ActionRegistry:
    """The shipped actions, with nothing behind them."""
    return shipped_actions(ControlClient({}), NoMetrics(), SystemClock())


def runbook(text: str) -> Runbook:
    """The runbook in *text*, which must be right."""
    loaded, problems = loads_runbook(text, "runbook.yaml", registry())
    assert loaded is not None, problems
    return loaded


def problems_of(text: str) -> list[str]:
    """Every problem of *text*, as it is printed."""
    _, problems = loads_runbook(text, "runbook.yaml", registry())
    return [str(problem) for problem in problems]
