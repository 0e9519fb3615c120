"""Runbooks in tests: a registry without servers, and loading text."""

from __future__ import annotations

from opsbot.action.registry import names_only
from opsbot.runbook.action import ActionRegistry
from opsbot.runbook.loader import loads_runbook
from opsbot.runbook.model import Runbook


def registry() -> ActionRegistry:
    """The shipped actions, with nothing behind them."""
    return names_only()


def runbook(text: str) -> Runbook:
    """The runbook in *text*, which must be right."""
    loaded, problems = loads_runbook(text, "runbook.yaml", registry())
    assert loaded is not None, problems
    return loaded


def problems_of(text: str) -> list[str]:
    """Every problem of *text*, as it is printed."""
    _, problems = loads_runbook(text, "runbook.yaml", registry())
    return [str(problem) for problem in problems]
