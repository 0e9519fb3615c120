"""The actions that tests know: those that ship with opsbot, and those of plug-ins that are installed here."""

from __future__ import annotations

from functools import cache
from typing import Any

from opsbot.action.control import ControlClient
from opsbot.action.parts import ShippedParts
from opsbot.action.plugin import load_plugins
from opsbot.action.registry import names_only, shipped_actions
from opsbot.clock import Clock, SystemClock
from opsbot.runbook.action import Action, ActionRegistry
from opsbot.runbook.probe import Prober


def known_actions() -> ActionRegistry:
    """With nothing behind them."""
    return names_only(_plugins())


def real_actions(prober: Prober, clock: Clock) -> ActionRegistry:
    """What is mocked: nothing behind it but metrics and time."""
    return shipped_actions(ShippedParts(prober, _nobody(), clock), _plugins())


@cache
def _plugins() -> tuple[Action[Any], ...]:
    return load_plugins({}, SystemClock()).actions


@cache
def _nobody() -> ControlClient:
    return ControlClient({})
