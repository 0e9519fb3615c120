"""What generated requests must not ask for, lest the documented 5xx come: deadlines nobody can meet, faults, and to be
taken out of service.

Schemathesis imports this module by the name in SCHEMATHESIS_HOOKS.
"""

from __future__ import annotations

from typing import Any

import schemathesis

HARMLESS_DEADLINE_S = 30.0
SHUTS_OUT = ("fault.", "drain", "fence", "shed", "failwhale", "block", "throttle", "fallback_prompt")
"""Knobs, or the beginnings of their names, that would turn away every request that comes after."""


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Leave everything else as it was generated."""
    body = case.body
    if not isinstance(body, dict):
        return
    deadline_s = body.get("deadline_s")
    if isinstance(deadline_s, int | float) and 0 < deadline_s < HARMLESS_DEADLINE_S:
        body["deadline_s"] = HARMLESS_DEADLINE_S
    if str(body.get("knob", "")).startswith(SHUTS_OUT):
        body["knob"] = "batch_limit"
    if case.path == "/control/v1/restart":
        body["when"] = "never"
