"""The actions that ship with opsbot; each is an adapter to one system."""

from __future__ import annotations

from typing import Any

from opsbot.action.control import ControlClient, ServingTarget
from opsbot.action.fault import FAULTS
from opsbot.action.parts import NoMetrics, ShippedParts
from opsbot.action.prometheus import PrometheusQuery
from opsbot.action.serving import ServingSetBatch, ServingSetTokenBudget
from opsbot.action.serving_cohort import ServingBlock, ServingFallbackPrompt, ServingThrottle
from opsbot.action.serving_commands import ServingReadmit, ServingRestart
from opsbot.action.serving_recover import ServingKnobs, ServingReleaseAll
from opsbot.action.serving_relief import ServingFailwhale, ServingShed
from opsbot.action.serving_traffic import ServingDrain, ServingFence, ServingRoute
from opsbot.action.wait import WaitUntil
from opsbot.runbook.action import Action, ActionRegistry

__all__ = [
    "ControlClient",
    "PrometheusQuery",
    "ServingSetBatch",
    "ServingTarget",
    "ShippedParts",
    "WaitUntil",
    "names_only",
    "serving_actions",
    "shipped_actions",
]

_SERVING = (
    ServingSetBatch,
    ServingSetTokenBudget,
    ServingShed,
    ServingFailwhale,
    ServingFallbackPrompt,
    ServingThrottle,
    ServingBlock,
    ServingRoute,
    ServingDrain,
    ServingFence,
    ServingRestart,
    ServingReadmit,
    ServingKnobs,
    ServingReleaseAll,
    *FAULTS,
)


def serving_actions(control: ControlClient) -> list[Action[Any]]:
    """Every action on the serving control API."""
    return [kind(control) for kind in _SERVING]


def shipped_actions(parts: ShippedParts) -> ActionRegistry:
    """Every action that ships with opsbot. Nothing is called before a run acts, so `check` needs no server."""
    return ActionRegistry(
        [
            *serving_actions(parts.control),
            PrometheusQuery(parts.prober),
            WaitUntil(parts.prober, parts.clock),
        ]
    )


def names_only() -> ActionRegistry:
    """The same with nothing behind it: for checking files, and for the reference."""
    return shipped_actions(ShippedParts(NoMetrics()))
