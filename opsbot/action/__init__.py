"""The actions that ship with opsbot; each is an adapter to one system."""

from opsbot.action.prometheus import PrometheusQuery
from opsbot.action.serving import ServingSetBatch, ServingTarget
from opsbot.action.wait import WaitUntil

__all__ = ["PrometheusQuery", "ServingSetBatch", "ServingTarget", "WaitUntil"]
