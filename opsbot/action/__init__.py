"""The actions that ship with opsbot; each is an adapter to one system."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opsbot.action.control import ControlClient, ServingTarget
from opsbot.action.fault import FAULTS
from opsbot.action.http import HttpGet, HttpRequest
from opsbot.action.incident_record import PagerDutyTrigger, ReviewOpen, SlackPost
from opsbot.action.loadtest import LoadtestRun
from opsbot.action.parts import ShippedParts
from opsbot.action.plugin import load_plugins
from opsbot.action.process import ProcessRun
from opsbot.action.prometheus import PrometheusQuery
from opsbot.action.secret import SecretStore
from opsbot.action.serving import ServingSetBatch, ServingSetTokenBudget
from opsbot.action.serving_cohort import ServingBlock, ServingFallbackPrompt, ServingThrottle
from opsbot.action.serving_commands import ServingReadmit, ServingRestart
from opsbot.action.serving_recover import ServingKnobs, ServingReleaseAll
from opsbot.action.serving_relief import ServingFailwhale, ServingShed
from opsbot.action.serving_traffic import ServingDrain, ServingFence, ServingRoute
from opsbot.action.silence import SilenceCreate, SilenceExpire
from opsbot.action.wait import WaitFor, WaitUntil
from opsbot.runbook.action import Action, ActionRegistry

__all__ = [
    "ControlClient",
    "PrometheusQuery",
    "ServingSetBatch",
    "ServingTarget",
    "ShippedParts",
    "WaitUntil",
    "load_plugins",
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


def shipped_actions(parts: ShippedParts, plugins: Iterable[Action[Any]] = ()) -> ActionRegistry:
    """Every action that ships with opsbot, and those of *plugins*.

    Nothing is called before a run acts, so `check` needs no server.
    """
    settings, clock = parts.settings, parts.clock
    secrets = SecretStore(settings.secrets)
    return ActionRegistry(
        [
            *serving_actions(parts.control),
            PrometheusQuery(parts.prober),
            WaitUntil(parts.prober, clock),
            WaitFor(),
            HttpGet(settings.http, secrets),
            HttpRequest(settings.http, secrets),
            SlackPost(parts.record, clock, parts.wake),
            ReviewOpen(parts.record, clock, parts.wake),
            PagerDutyTrigger(parts.record, clock, parts.wake, parts.pager),
            SilenceCreate(parts.silences, clock, parts.longest_silence_s, parts.wake),
            SilenceExpire(parts.silences, clock, parts.wake),
            LoadtestRun(parts.doors, settings.loadtest, clock),
            ProcessRun(settings.process, clock),
            *plugins,
        ]
    )


def names_only(plugins: Iterable[Action[Any]] = ()) -> ActionRegistry:
    """The same with nothing behind it: for checking files, and for the reference."""
    return shipped_actions(ShippedParts(), plugins)
