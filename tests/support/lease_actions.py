"""Every lease action with arguments that a server with the tiny model takes, and its context."""

from __future__ import annotations

from itertools import count
from typing import Any

from opsbot.action.control import ControlClient
from opsbot.action.parts import ShippedParts
from opsbot.action.registry import shipped_actions
from opsbot.runbook.action import Action, ActionContext

NOTICE = "7fbdded5d8c779b7b0fb59bc725c9deeda47eaf1c64a4a428e277898a87e47b5"
"""What the shipped prompt `notice` says; docs/serving.md has it too."""

LEASES: dict[str, dict[str, Any]] = {
    "serving.set_batch": {"limit": 3, "mode": "preempt"},
    "serving.set_token_budget": {"limit": 32},
    "serving.shed": {"fraction": 0.5, "selector": {"class": ["free"]}},
    "serving.failwhale": {"message": "Back soon.", "retry_after_s": 90, "selector": {"tenant": ["nobody"]}},
    "serving.throttle": {"selector": {"tenant": ["acme"]}, "requests_per_min": 6, "reason_class": "key_sharing"},
    "serving.block": {"selector": {"key": ["leaked"]}, "reason_class": "leaked_key"},
    "serving.fallback_prompt": {
        "selector": {"client_known": ["spoofed"]},
        "mode": "notice",
        "prompt": "notice",
        "prompt_sha256": NOTICE,
    },
    "serving.drain": {},
    "serving.fence": {},
    "fault.latency_ms": {"value": 5},
    "fault.error_percent": {"value": 50},
    "fault.stall": {},
    "fault.slow_step_ms": {"value": 5},
    "fault.lost_kv_blocks": {"value": 7},
    "fault.metrics_blackout": {},
    "fault.metrics_frozen": {},
    "fault.crash_every_s": {"value": 3600},
    "fault.clock_skew_s": {"value": -30},
}
"""Arguments by action; those of the fleet's own control API are not here."""
_NUMBERS = count(1)


def action_named(control: ControlClient, name: str) -> Action[Any]:
    """The action with that name."""
    return shipped_actions(ShippedParts(control=control)).get(name)


def context(key: str | None = None, *, ttl_s: float = 60.0, run_id: str = "run:test:1:1:1") -> ActionContext:
    """One act's context, with a key of its own unless one is given."""
    return ActionContext(run_id, key or f"{run_id}:{next(_NUMBERS)}", "INC-1: a test", ttl_s, "INC-1")
