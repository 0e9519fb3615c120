"""Shed: a stated share of the requests is turned away, by caller, so that the rest are served whole.

Each caller has a fixed place between 0 and 1 and is shed where the fraction in force is above it. The place is the same
on every cluster and after every restart, so a caller shed here is not served by a retry there, and a fraction that
grows only adds callers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from serving_stub.frontdoor.caller import Caller
from serving_stub.frontdoor.fold import Layer
from serving_stub.frontdoor.refusal import Reason, Refusal
from serving_stub.frontdoor.selector import Selector
from serving_stub.frontdoor.share import place_of

SALT = 0x5EED
"""Fixed: one of a server or of a day would shed other callers on each cluster, or others at midnight."""
_WAIT_SALT = 0x3A17
_SHORTEST_WAIT_S = 30.0
"""Waits are between this and twice as much: OpenAI's client obeys up to a minute in every version, without jitter."""
_NEXT_TO_NOTHING = 1e-9
_EVERYBODY = Selector()


class ShedValue(BaseModel):
    """The knob `shed`.

    Args:
        fraction: of the requests that the selector means. Without a selector it is of all requests, and the worst
            class is shed whole before a better one is touched.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fraction: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    selector: Selector = Selector()


def shed_share(caller: Caller, layers: Iterable[Layer[ShedValue]], shares: Mapping[int, float]) -> float:
    """The share of callers such as *caller* that is shed: the largest of *layers*.

    Args:
        shares: of all requests, by priority, as `TrafficShares` has them.
    """
    largest = 0.0
    for layer in layers:
        fraction = layer.value.fraction * layer.strength
        if layer.value.selector == _EVERYBODY:
            largest = max(largest, _of_class(caller.priority, fraction, shares))
        elif fraction > largest and layer.value.selector.matches(caller):
            largest = fraction
    return largest


def decide(
    caller: Caller, layers: Iterable[Layer[ShedValue]], shares: Mapping[int, float], salt: int = SALT
) -> Refusal | None:
    """Whether *caller* is shed.

    429 rather than 503: clients retry both alike, but a proxy in front takes 503 for a sick server and drops it.
    """
    share = shed_share(caller, layers, shares)
    if share <= 0 or place_of(caller.identity, salt) >= share:
        return None
    return Refusal(
        429,
        "shed",
        "The server is over capacity and has stopped serving a part of its callers, you among them, so that the "
        "others are served well. Trying again at once does not help; try again in a minute.",
        Reason.SHED,
        retry_after_s=_SHORTEST_WAIT_S * (1 + place_of(caller.identity, _WAIT_SALT)),
    )


def _of_class(priority: int, fraction: float, shares: Mapping[int, float]) -> float:
    """What a class sheds when *fraction* of everything is to go, the worst class first.

    Classes that are not among *shares* send next to nothing: one that is worse than a class being shed goes whole.
    """
    worse = sum(share for other, share in shares.items() if other > priority)
    rest = fraction - worse
    if rest <= _NEXT_TO_NOTHING:
        return 0.0
    own = shares.get(priority, 0.0) if shares else 1.0
    return 1.0 if rest >= own - _NEXT_TO_NOTHING else rest / own
