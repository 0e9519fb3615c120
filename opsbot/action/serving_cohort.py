"""What a policy decides about a cohort: `serving.throttle`, `serving.block`, `serving.fallback_prompt`, as leases."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from opsbot.action.control_answers import LeaseAnswer
from opsbot.action.lease import LayerAction, LeaseArguments
from opsbot.action.selector import WHO, Selector
from opsbot.action.serving import END_OF_LIMIT, EndOfLimit
from opsbot.people import Role
from opsbot.runbook.action import Facts

ReasonClass = Literal[
    "capacity",
    "unofficial_client",
    "key_sharing",
    "leaked_key",
    "automated_abuse",
    "policy_violation",
    "payment",
]
Count = Annotated[int, Field(ge=1, le=10**12)]
_REASON = "Why, as far as the callers are told."


class ThrottleArguments(LeaseArguments):
    """What `serving.throttle` takes."""

    selector: Selector = Field(description="Whom it concerns; never everybody, `serving.shed` is for that.")
    requests_per_min: Count | None = Field(default=None, description="Requests that are left to them a minute.")
    tokens_per_min: Count | None = Field(default=None, description="Tokens that are left to them a minute.")
    per: Literal["caller", "cohort"] = Field(default="caller", description="So much for each, or for all together.")
    reason_class: ReasonClass = Field(description=_REASON)
    on_end: EndOfLimit = Field(default="release", description=END_OF_LIMIT)

    @model_validator(mode="after")
    def _is_narrow(self) -> Self:
        if self.selector.is_everybody:
            raise ValueError("selector is empty; a throttle names whom it concerns, and serving.shed is for everybody")
        if self.requests_per_min is None and self.tokens_per_min is None:
            raise ValueError("one of requests_per_min and tokens_per_min is needed")
        if self.selector.country is not None and self.reason_class != "capacity":
            raise ValueError("country is a reason for nothing but capacity; name the callers otherwise")
        return self


class ServingThrottle(LayerAction[ThrottleArguments]):
    """Narrows what a cohort may use."""

    name: ClassVar[str] = "serving.throttle"
    summary: ClassVar[str] = "Leave a cohort so many requests or tokens a minute."
    knob: ClassVar[str] = "throttle"
    words: ClassVar[str] = "throttle"
    arguments = ThrottleArguments

    def value(self, arguments: ThrottleArguments) -> dict[str, Any]:
        value = {
            "selector": arguments.selector.wire(),
            "requests_per_min": arguments.requests_per_min,
            "tokens_per_min": arguments.tokens_per_min,
            "per": arguments.per,
            "reason_class": arguments.reason_class,
        }
        return {name: one for name, one in value.items() if one is not None}

    def will_do(self, arguments: ThrottleArguments, prior: Facts) -> str:
        return f"leave {_narrowed(arguments)} (else 429, with a way to appeal)"

    def did(self, arguments: ThrottleArguments, lease: LeaseAnswer) -> str:
        return f"Leaving {_narrowed(arguments)}"


def _narrowed(arguments: ThrottleArguments) -> str:
    kinds = (("requests", arguments.requests_per_min), ("tokens", arguments.tokens_per_min))
    limits = " and ".join(f"{count} {kind}" for kind, count in kinds if count is not None)
    each = "each" if arguments.per == "caller" else "together"
    why = arguments.reason_class.replace("_", " ")
    return f"{arguments.selector.words()} on {arguments.cluster} {limits} a minute {each}, for {why}"


class BlockArguments(LeaseArguments):
    """What `serving.block` takes."""

    selector: Selector = Field(description=f"Whom it concerns; one of {', '.join(WHO)} is needed.")
    reason_class: ReasonClass = Field(description=_REASON)
    on_end: EndOfLimit = Field(default="release", description=END_OF_LIMIT)

    @model_validator(mode="after")
    def _names_who(self) -> Self:
        if not self.selector.names_somebody:
            raise ValueError(f"selector names nobody: a block needs one of {', '.join(WHO)}, a network alone is many")
        if self.selector.country is not None:
            raise ValueError("country is no reason to block; name the callers otherwise")
        return self


class ServingBlock(LayerAction[BlockArguments]):
    """Turns a cohort away."""

    name: ClassVar[str] = "serving.block"
    summary: ClassVar[str] = "Turn a cohort away (403) with a reason and a way to appeal."
    knob: ClassVar[str] = "block"
    words: ClassVar[str] = "block"
    arguments = BlockArguments
    is_risky: ClassVar[bool] = True

    def value(self, arguments: BlockArguments) -> dict[str, Any]:
        return {"selector": arguments.selector.wire(), "reason_class": arguments.reason_class}

    def will_do(self, arguments: BlockArguments, prior: Facts) -> str:
        why = arguments.reason_class.replace("_", " ")
        return (
            f"block every request of {arguments.selector.words()} on {arguments.cluster} for {why} "
            "(403, with a way to appeal)"
        )

    def did(self, arguments: BlockArguments, lease: LeaseAnswer) -> str:
        why = arguments.reason_class.replace("_", " ")
        return f"Blocking {arguments.selector.words()} on {arguments.cluster} for {why}"


class FallbackArguments(LeaseArguments):
    """What `serving.fallback_prompt` takes."""

    selector: Selector = Field(description="The cohort: never everybody, and never by country.")
    mode: Literal["notice", "safe", "persona"] = Field(
        description="notice: honest words, no model; safe: a plain short prompt; persona: the cat."
    )
    prompt: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        description="A file of the server's library of prompts."
    )
    prompt_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] = Field(
        description="What it said when it was reviewed; `python -m serving_stub prompts` tells the hashes."
    )
    max_tokens: int | None = Field(default=None, ge=1, le=1024, description="Lower than the file's, where wanted.")
    on_end: EndOfLimit = Field(default="release", description=END_OF_LIMIT)

    @model_validator(mode="after")
    def _is_for_a_cohort(self) -> Self:
        if self.selector.is_everybody:
            raise ValueError("selector is empty, expected a cohort: a fallback prompt is never for everybody")
        if self.selector.country is not None:
            raise ValueError(
                "selector names a country, expected key, tenant, client or network: where people are is no reason"
            )
        known = self.selector.client_known
        if self.mode == "persona" and (known is None or "known" in known):
            raise ValueError(
                "mode persona needs a selector with client_known limited to unknown and spoofed: "
                "a customer's own client never meets a persona"
            )
        return self


_MEETS = {
    "notice": "a notice in place of the model",
    "safe": "the model under a plain short prompt",
    "persona": "a persona in place of the model as it is",
}


class ServingFallbackPrompt(LayerAction[FallbackArguments]):
    """Gives a cohort another prompt."""

    name: ClassVar[str] = "serving.fallback_prompt"
    summary: ClassVar[str] = "Give a cohort a notice, a plain prompt or a persona in place of the model."
    knob: ClassVar[str] = "fallback_prompt"
    words: ClassVar[str] = "fallback prompt"
    arguments = FallbackArguments
    is_risky: ClassVar[bool] = True
    role: ClassVar[Role] = "trust_and_safety"

    def value(self, arguments: FallbackArguments) -> dict[str, Any]:
        value = {
            "selector": arguments.selector.wire(),
            "mode": arguments.mode,
            "prompt": arguments.prompt,
            "prompt_sha256": arguments.prompt_sha256,
            "max_tokens": arguments.max_tokens,
        }
        return {name: one for name, one in value.items() if one is not None}

    def will_do(self, arguments: FallbackArguments, prior: Facts) -> str:
        return (
            f"give {_cohort(arguments)} {_MEETS[arguments.mode]}: {_pinned(arguments)}; messages marked as crisis pass"
        )

    def did(self, arguments: FallbackArguments, lease: LeaseAnswer) -> str:
        return f"Giving {_cohort(arguments)} {_MEETS[arguments.mode]}: {_pinned(arguments)}"


def _cohort(arguments: FallbackArguments) -> str:
    return f"{arguments.selector.words()} on {arguments.cluster}"


def _pinned(arguments: FallbackArguments) -> str:
    return f"{arguments.prompt} as reviewed ({arguments.prompt_sha256[:12]})"
