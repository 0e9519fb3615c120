"""Throttle and block: what a policy decided about a cohort, each answer with its reason class and where to appeal.

A throttle narrows what a caller may use in a minute; a block turns the caller away. Who is meant must say more than
where a request comes from: behind one address stands a whole school as easily as one abuser.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Literal, Self

import xxhash
from pydantic import BaseModel, ConfigDict, model_validator

from serving_stub.frontdoor.caller import Caller
from serving_stub.frontdoor.fold import Layer
from serving_stub.frontdoor.limits import Budget, Charge, Count, Exceeded, RateLimiter, format_reset
from serving_stub.frontdoor.refusal import Reason, Refusal
from serving_stub.frontdoor.selector import Selector
from serving_stub.frontdoor.share import place_of

_SALT = 0xB10C
_WHO = ("tenant", "key", "account", "client", "client_known")
"""What tells one party from another; a class, model, country or network holds many that have nothing in common."""


class ReasonClass(StrEnum):
    """Why a cohort is throttled or blocked, as far as its members are told."""

    CAPACITY = "capacity"
    UNOFFICIAL_CLIENT = "unofficial_client"
    KEY_SHARING = "key_sharing"
    LEAKED_KEY = "leaked_key"
    AUTOMATED_ABUSE = "automated_abuse"
    POLICY_VIOLATION = "policy_violation"
    PAYMENT = "payment"


TOLD = {
    ReasonClass.CAPACITY: "capacity is short",
    ReasonClass.UNOFFICIAL_CLIENT: "the client does not look like one of ours",
    ReasonClass.KEY_SHARING: "the API key seems to be shared by many people",
    ReasonClass.LEAKED_KEY: "the API key seems to have leaked; replace it",
    ReasonClass.AUTOMATED_ABUSE: "the traffic looks like automated abuse",
    ReasonClass.POLICY_VIOLATION: "requests seem to break the usage policy",
    ReasonClass.PAYMENT: "a payment is open",
}
"""Each reason class in the words that the caller hears."""


class ThrottleValue(BaseModel):
    """The knob `throttle`.

    Args:
        per: whether each caller of the cohort may use that much, or all of them together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    selector: Selector
    requests_per_min: Count | None = None
    tokens_per_min: Count | None = None
    reason_class: ReasonClass
    per: Literal["caller", "cohort"] = "caller"

    @model_validator(mode="after")
    def _is_narrow(self) -> Self:
        if self.selector.is_everybody:
            raise ValueError("selector is empty; a throttle names whom it concerns, and `shed` is for everybody")
        if self.requests_per_min is None and self.tokens_per_min is None:
            raise ValueError("one of requests_per_min and tokens_per_min is needed")
        if self.selector.country is not None and self.reason_class is not ReasonClass.CAPACITY:
            raise ValueError("country is a reason for nothing but capacity; name the callers otherwise")
        return self


class BlockValue(BaseModel):
    """The knob `block`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    selector: Selector
    reason_class: ReasonClass

    @model_validator(mode="after")
    def _names_who(self) -> Self:
        if all(getattr(self.selector, name) is None for name in _WHO):
            raise ValueError(f"selector names nobody: a block needs one of {', '.join(_WHO)}, a network alone is many")
        if self.selector.country is not None:
            raise ValueError("country is no reason to block; name the callers otherwise")
        return self


def decide_block(caller: Caller, layers: Iterable[Layer[BlockValue]], appeal_url: str | None) -> Refusal | None:
    """Whether *caller* is blocked; the first layer that means it says why.

    A layer that ramps lets its callers go one by one.
    """
    for layer in layers:
        if (
            layer.strength < 1 and place_of(caller.identity, _SALT) >= layer.strength
        ) or not layer.value.selector.matches(caller):
            continue
        reason_class = layer.value.reason_class
        return Refusal(
            403,
            "blocked",
            f"This request is blocked: {TOLD[reason_class]}.{_appeal(appeal_url)}",
            Reason.BLOCKED,
            headers=_headers(reason_class, appeal_url),
        )
    return None


@dataclass(frozen=True, slots=True)
class Narrowed:
    """One limit in force for a caller, and why."""

    budget: Budget
    reason_class: ReasonClass


def throttles_of(caller: Caller, layers: Iterable[Layer[ThrottleValue]]) -> tuple[Narrowed, ...]:
    """What *layers* leave *caller*: the tightest for itself of each kind, and what each cohort has together.

    A layer that ramps widens: at half its strength it allows twice as much.
    """
    own: dict[str, tuple[int, ReasonClass]] = {}
    found: list[Narrowed] = []
    for layer in layers:
        value = layer.value
        if not value.selector.matches(caller):
            continue
        requests, tokens = _widen(value.requests_per_min, layer), _widen(value.tokens_per_min, layer)
        if value.per == "cohort":
            found.append(Narrowed(Budget(_cohort(value.selector), requests, tokens), value.reason_class))
            continue
        for kind, amount in (("requests", requests), ("tokens", tokens)):
            if amount is not None and (kind not in own or amount < own[kind][0]):
                own[kind] = amount, value.reason_class
    name = f"throttle/{caller.identity}"
    if "requests" in own:
        found.append(Narrowed(Budget(name, requests_per_min=own["requests"][0]), own["requests"][1]))
    if "tokens" in own:
        found.append(Narrowed(Budget(name, tokens_per_min=own["tokens"][0]), own["tokens"][1]))
    return tuple(found)


def decide_throttle(
    caller: Caller,
    layers: Iterable[Layer[ThrottleValue]],
    limiter: RateLimiter,
    num_tokens: int,
    now: float,
    appeal_url: str | None,
) -> Charge | Refusal | None:
    """Charge one request of *num_tokens* to what a throttle leaves *caller*.

    Returns: None where no throttle concerns the caller; a charge for `limiter` to settle or refund; or a refusal.
    """
    narrowed = throttles_of(caller, layers)
    if not narrowed:
        return None
    taken = limiter.take([one.budget for one in narrowed], num_tokens, now)
    if isinstance(taken, Charge):
        return taken
    return _refuse(taken, narrowed[taken.index].reason_class, appeal_url)


def _refuse(exceeded: Exceeded, reason_class: ReasonClass, appeal_url: str | None) -> Refusal:
    limit = f"This caller is throttled to {exceeded.limit} {exceeded.kind} a minute: {TOLD[reason_class]}."
    headers = _headers(reason_class, appeal_url)
    if exceeded.wait_s is None:
        then = f" This request alone asks for {exceeded.asked}."
        headers += (("x-should-retry", "false"),)
    else:
        then = f" Try again in {format_reset(exceeded.wait_s)}."
    return Refusal(
        429,
        "throttled",
        f"{limit}{then}{_appeal(appeal_url)}",
        Reason.THROTTLED,
        retry_after_s=exceeded.wait_s,
        headers=headers,
    )


def _widen(amount: int | None, layer: Layer[ThrottleValue]) -> int | None:
    return None if amount is None else round(amount / layer.strength)


@lru_cache(maxsize=1000)
def _cohort(selector: Selector) -> str:
    """A name for the callers that *selector* means, the same for every lease that means them."""
    return f"cohort/{xxhash.xxh3_64_hexdigest(selector.model_dump_json(exclude_none=True).encode())}"


def _appeal(appeal_url: str | None) -> str:
    return "" if appeal_url is None else f" If this is a mistake, appeal at {appeal_url}."


def _headers(reason_class: ReasonClass, appeal_url: str | None) -> tuple[tuple[str, str], ...]:
    headers: tuple[tuple[str, str], ...] = (("x-reason-class", reason_class.value),)
    return headers if appeal_url is None else (*headers, ("x-appeal-url", appeal_url))
