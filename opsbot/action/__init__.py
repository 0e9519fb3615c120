"""The actions that ship with opsbot; each is an adapter to one system."""

from opsbot.action.control import ControlClient, ServingTarget
from opsbot.action.prometheus import PrometheusQuery
from opsbot.action.serving import ServingSetBatch
from opsbot.action.wait import WaitUntil
from opsbot.clock import Clock
from opsbot.runbook.action import ActionRegistry
from opsbot.runbook.probe import Prober

__all__ = ["ControlClient", "PrometheusQuery", "ServingSetBatch", "ServingTarget", "WaitUntil", "shipped_actions"]


def shipped_actions(control: ControlClient, prober: Prober, clock: Clock) -> ActionRegistry:
    """Every action that ships with opsbot. Nothing is called before a run acts, so `check` needs no server."""
    return ActionRegistry([ServingSetBatch(control), PrometheusQuery(prober), WaitUntil(prober, clock)])
