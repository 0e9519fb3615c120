"""The failwhale: while it is up, callers are turned away whole, with honest words and a time to come back.

Streams that run already are not touched: the door asks `decide` only for what comes in. Health and metrics never ask.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from serving_stub.frontdoor.caller import Caller
from serving_stub.frontdoor.fold import Layer
from serving_stub.frontdoor.refusal import Reason, Refusal
from serving_stub.frontdoor.selector import Selector
from serving_stub.frontdoor.share import place_of

CODE = "failwhale"
MESSAGE = "More people are here than our machines can serve, so we have stopped taking new requests for now."
"""What is said where the lease says nothing."""

_SALT = 0xFA11
_LONGEST_WAIT_S = 86_400
_YEAR_9000 = 221_845_392_000.0


class FailwhaleValue(BaseModel):
    """The knob `failwhale`.

    Args:
        selector: whom it concerns; everybody unless said otherwise.
        message: what people are told; shown as it is, never as markup.
        probe_share: the share of callers who are served all the same, so that recovery shows.
        retry_after_s: when another try has a chance, where `back_at` does not say.
        back_at: when service is expected back, seconds since the epoch.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    selector: Selector = Selector()
    message: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)] | None = None
    probe_share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    retry_after_s: Annotated[int, Field(ge=1, le=_LONGEST_WAIT_S)] = 60
    back_at: Annotated[float, Field(ge=0, le=_YEAR_9000, allow_inf_nan=False)] | None = None


@dataclass(frozen=True, slots=True)
class Turned:
    """One caller turned away.

    Args:
        retry_after_s: when another try has a chance.
        back_at: when service is expected back, seconds since the epoch; may lie in the past, then it took longer.
    """

    message: str
    retry_after_s: float
    back_at: float | None

    def refusal(self) -> Refusal:
        """The answer for API clients."""
        return Refusal(
            503,
            CODE,
            self.message,
            Reason.FAILWHALE,
            retry_after_s=self.retry_after_s,
            headers=(("cache-control", "no-store"), ("vary", "accept")),
        )


def decide(caller: Caller, layers: Iterable[Layer[FailwhaleValue]], now: float) -> Turned | None:
    """Whether *caller* is turned away at *now* (seconds since the epoch), by *layers* in the order of their grant.

    The probe share picks callers, not requests: picked by requests, whoever asks again often enough gets in, so a
    retry storm would decide the load, and everybody's conversation would break now and then. Of the callers whom the
    probe leaves out, a layer of strength s lets 1 - s in, those nearest to the probe first, so nobody who was let in
    is put out again while it ramps. Of several layers each must let a caller in: the smallest probe share holds, and
    the latest `back_at`.

    A wait until `back_at` is lengthened by up to `retry_after_s`, more for those whom a ramp lets in later, so that
    not everybody is back in the same second.
    """
    turning: list[FailwhaleValue] = []
    own_place = -1.0
    for layer in layers:
        value = layer.value
        if not value.selector.matches(caller):
            continue
        if own_place < 0:
            own_place = place_of(caller.identity, _SALT)
        if own_place >= 1.0 - layer.strength * (1.0 - value.probe_share):
            turning.append(value)
    if not turning:
        return None
    message = next((one.message for one in reversed(turning) if one.message is not None), MESSAGE)
    retry_after_s = float(max(one.retry_after_s for one in turning))
    back_at = max((one.back_at for one in turning if one.back_at is not None), default=None)
    if back_at is not None and back_at > now:
        retry_after_s = min(back_at - now + own_place * retry_after_s, float(_LONGEST_WAIT_S))
    return Turned(message, retry_after_s, back_at)
