"""Every action that ships with opsbot, by name; one that nobody uses is not even imported.

So a file that names two actions is checked without the other thirty, and nothing is called before a run acts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from opsbot.runbook.action import Action, ActionRegistry

if TYPE_CHECKING:
    from opsbot.action.parts import ShippedParts

ACTIONS: Mapping[str, tuple[str, str]] = {
    "serving.set_batch": ("serving:ServingSetBatch", "control"),
    "serving.set_token_budget": ("serving:ServingSetTokenBudget", "control"),
    "serving.shed": ("serving_relief:ServingShed", "control"),
    "serving.failwhale": ("serving_relief:ServingFailwhale", "control"),
    "serving.fallback_prompt": ("serving_cohort:ServingFallbackPrompt", "control"),
    "serving.throttle": ("serving_cohort:ServingThrottle", "control"),
    "serving.block": ("serving_cohort:ServingBlock", "control"),
    "serving.route": ("serving_traffic:ServingRoute", "control"),
    "serving.drain": ("serving_traffic:ServingDrain", "control"),
    "serving.fence": ("serving_traffic:ServingFence", "control"),
    "serving.restart": ("serving_commands:ServingRestart", "control"),
    "serving.readmit": ("serving_commands:ServingReadmit", "control"),
    "serving.knobs": ("serving_recover:ServingKnobs", "control"),
    "serving.release_all": ("serving_recover:ServingReleaseAll", "control"),
    "fault.latency_ms": ("fault:FaultLatency", "control"),
    "fault.error_percent": ("fault:FaultErrors", "control"),
    "fault.stall": ("fault:FaultStall", "control"),
    "fault.slow_step_ms": ("fault:FaultSlowStep", "control"),
    "fault.lost_kv_blocks": ("fault:FaultLostBlocks", "control"),
    "fault.metrics_blackout": ("fault:FaultMetricsBlackout", "control"),
    "fault.metrics_frozen": ("fault:FaultMetricsFrozen", "control"),
    "fault.crash_every_s": ("fault:FaultCrash", "control"),
    "fault.clock_skew_s": ("fault:FaultClockSkew", "control"),
    "fault.lose": ("fault:FaultLose", "control"),
    "prometheus.query": ("prometheus:PrometheusQuery", "prober"),
    "wait.until": ("wait:WaitUntil", "prober clock"),
    "wait.for": ("wait:WaitFor", ""),
    "http.get": ("http:HttpGet", "http secrets"),
    "http.request": ("http:HttpRequest", "http secrets"),
    "slack.post": ("incident_record:SlackPost", "record clock wake"),
    "review.open": ("incident_record:ReviewOpen", "record clock wake"),
    "pagerduty.trigger": ("incident_record:PagerDutyTrigger", "record clock wake pager"),
    "silence.create": ("silence:SilenceCreate", "silences clock longest_silence_s wake"),
    "silence.expire": ("silence:SilenceExpire", "silences clock wake"),
    "loadtest.run": ("loadtest:LoadtestRun", "doors loadtest clock load_book"),
    "process.run": ("process:ProcessRun", "process clock"),
}
"""By name: where the action's class is, and of which parts it is made, in order."""


class ShippedRegistry(ActionRegistry):
    """The shipped actions, made when they are asked for, and those of plug-ins."""

    def __init__(self, parts: Callable[[], ShippedParts], plugins: Iterable[Action[Any]] = ()) -> None:
        super().__init__(plugins)
        self._parts = parts

    def __iter__(self) -> Iterator[Action[Any]]:
        for name in ACTIONS:
            self.find(name)
        return super().__iter__()

    def find(self, name: str) -> Action[Any] | None:
        """The action with that name, or None."""
        if name not in self._actions and name in ACTIONS:
            self._actions[name] = self._made(*ACTIONS[name])
        return super().find(name)

    def names(self) -> tuple[str, ...]:
        """Every name, sorted."""
        return tuple(sorted({*ACTIONS, *super().names()}))

    def _made(self, place: str, needs: str) -> Action[Any]:
        module, _, attribute = place.partition(":")
        kind = getattr(import_module(f"opsbot.action.{module}"), attribute)
        parts = self._parts()
        made: Action[Any] = kind(*(getattr(parts, name) for name in needs.split()))
        return made


def shipped_actions(parts: ShippedParts, plugins: Iterable[Action[Any]] = ()) -> ActionRegistry:
    """Every action that ships with opsbot, and those of *plugins*."""
    return ShippedRegistry(lambda: parts, plugins)


def names_only(plugins: Iterable[Action[Any]] = ()) -> ActionRegistry:
    """The same with nothing behind it: for checking files, and for the reference."""

    def nothing() -> ShippedParts:
        from opsbot.action.parts import ShippedParts

        return ShippedParts()

    return ShippedRegistry(nothing, plugins)
