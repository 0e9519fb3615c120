"""Who is turned away before anything is spent on them: blocked, met by the failwhale, or shed, in this order.

A block stands first, since it is about the caller and tells where to appeal; the failwhale before shed, since it is
about everybody. Pure: a caller, what is in force, and a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from serving_stub.frontdoor import failwhale, shed
from serving_stub.frontdoor.caller import Caller
from serving_stub.frontdoor.door_knobs import BLOCK, FAILWHALE, SHED
from serving_stub.frontdoor.failwhale import Turned
from serving_stub.frontdoor.fold import Layers
from serving_stub.frontdoor.refusal import Refusal
from serving_stub.frontdoor.throttle import decide_block

InForce = Callable[[str], Layers]
"""The layers of a knob, by its name."""


def turned_away(
    caller: Caller,
    in_force: InForce,
    shares: Mapping[int, float],
    now: float,
    appeal_url: str | None,
    *,
    is_work: bool,
) -> Refusal | Turned | None:
    """Why *caller* goes no further; None for whoever does.

    Args:
        shares: of all requests, by priority.
        now: seconds since the epoch.
        is_work: whether the engine would have to work for it: what costs nothing is not shed.
    """
    return (
        decide_block(caller, in_force(BLOCK.name), appeal_url)
        or failwhale.decide(caller, in_force(FAILWHALE.name), now)
        or (shed.decide(caller, in_force(SHED.name), shares) if is_work else None)
    )
