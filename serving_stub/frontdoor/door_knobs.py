"""The knobs of the front door: what a lease may set there, who may set it, and what its end usually means."""

from __future__ import annotations

from serving_stub.frontdoor.failwhale import FailwhaleValue
from serving_stub.frontdoor.fallback import FallbackValue
from serving_stub.frontdoor.knob import LayeredKnob
from serving_stub.frontdoor.shed import ShedValue
from serving_stub.frontdoor.throttle import BlockValue, ThrottleValue

FAILWHALE = LayeredKnob(
    "failwhale",
    FailwhaleValue,
    fold="turned away by any, unless probed by all that mean the caller",
    on_ends=("ramp", "release"),
    scope="failwhale",
)
SHED = LayeredKnob(
    "shed", ShedValue, fold="the largest fraction that means the caller", on_ends=("ramp", "release"), scope="shed"
)
FALLBACK = LayeredKnob(
    "fallback_prompt",
    FallbackValue,
    fold="the strictest mode that means the caller, then the oldest",
    on_ends=("release", "ramp"),
    scope="fallback",
)
THROTTLE = LayeredKnob(
    "throttle",
    ThrottleValue,
    fold="the tightest limits that mean the caller",
    on_ends=("release", "ramp"),
    scope="throttle",
)
BLOCK = LayeredKnob(
    "block", BlockValue, fold="blocked by any that means the caller", on_ends=("release", "ramp"), scope="block"
)
DOOR_KNOBS = (FAILWHALE, SHED, FALLBACK, THROTTLE, BLOCK)
