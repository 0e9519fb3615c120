"""What the event door takes: a request with its twelve counts, a whole request event, or a sign-up.

The contract is `docs/request-log.md`; whoever sends it is another program, so every field is checked here and unknown
ones are refused. Text that a sender may be configured to write is read and dropped.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Name = Annotated[str, Field(max_length=200)]
Hash = Annotated[str, Field(max_length=128)]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Score = Annotated[float, Field(ge=0, le=1)]
Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]
EventId = Annotated[str, Field(min_length=1, max_length=128)]
Moment = Annotated[float, Field(gt=0, lt=1e11, allow_inf_nan=False)]
NetworkKind = Literal["hosting", "residential", "mobile", "education", "business", "unknown"]
ClientKnown = Literal["known", "unknown", "spoofed"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Counts(_Strict):
    """One request that the front door served or refused, in the twelve fields that were the first contract."""

    event_id: EventId
    at: float = Field(gt=0)
    tenant: str = Field(max_length=128)
    key_id: str = Field(max_length=128)
    model: str = Field(max_length=128)
    endpoint: str = Field(max_length=64)
    status: int = Field(ge=100, le=599)
    prompt_tokens: Count
    completion_tokens: Count
    ttft_s: Seconds | None = None
    duration_s: float = Field(ge=0)
    finish_reason: str | None = Field(default=None, max_length=16)


class Signup(_Strict):
    """How an account was opened: fingerprints and a pattern, never a card or a mail."""

    payment_fp: Name | None = None
    device_fp: Name | None = None
    mail_pattern: Name | None = None


class Fallback(_Strict):
    """Which prompt stood in for the caller's own."""

    mode: Literal["notice", "safe", "persona"]
    prompt: Annotated[str, Field(max_length=64)]


class _Event(_Strict):
    """What both kinds have."""

    event_id: EventId
    ts: Moment
    org: Name
    account: Name | None = None
    ip_prefix: Annotated[str, Field(max_length=64)] | None = None
    asn: Annotated[int, Field(ge=1, lt=2**32)] | None = None
    asn_type: NetworkKind = "unknown"
    country: Country | None = None
    client_fp: Name | None = None
    client_known: ClientKnown = "unknown"


class RequestEvent(_Event):
    """One request in full."""

    kind: Literal["request"]
    key_hash: Name | None = None
    service_class: Name | None = None
    cluster: Name | None = None
    model: Name | None = None
    endpoint: Annotated[str, Field(max_length=64)]
    conversation: Hash | None = None
    system_prompt_hash: Hash | None = None
    request_hash: Hash | None = None
    simhash: Annotated[str, Field(pattern="^[0-9a-f]{16}$")] | None = None
    prompt_tokens: Count | None = None
    cached_tokens: Count | None = None
    completion_tokens: Count | None = None
    max_tokens: Count | None = None
    is_stream: bool = False
    status: int = Field(ge=100, le=599)
    finish_reason: Annotated[str, Field(max_length=64)] | None = None
    error_code: Name | None = None
    door_reason: Annotated[str, Field(max_length=64)] | None = None
    refused: bool | None = None
    moderation: Annotated[dict[str, Score], Field(max_length=64)] = Field(default_factory=dict)
    pattern_hits: Annotated[tuple[Name, ...], Field(max_length=600)] = ()
    crisis: bool = False
    safety_identifier: Hash | None = None
    account_age: Seconds | None = None
    signup: Signup | None = None
    billable: bool = True
    fallback: Fallback | None = None
    ttft_s: Seconds | None = None
    latency_s: Seconds = 0.0
    text: Any = Field(default=None, exclude=True, repr=False)

    def counts(self) -> Counts:
        """The same request in twelve fields, cut to what they hold."""
        return Counts(
            event_id=self.event_id,
            at=self.ts,
            tenant=self.org[:128],
            key_id=(self.key_hash or "")[:128],
            model=(self.model or "")[:128],
            endpoint=self.endpoint,
            status=self.status,
            prompt_tokens=self.prompt_tokens or 0,
            completion_tokens=self.completion_tokens or 0,
            ttft_s=self.ttft_s,
            duration_s=self.latency_s,
            finish_reason=self.finish_reason and self.finish_reason[:16],
        )


class SignupEvent(_Event):
    """An account was opened."""

    kind: Literal["signup"]
    account: Name
    signup: Signup


Event = Counts | RequestEvent | SignupEvent
_WHOLE: TypeAdapter[RequestEvent | SignupEvent] = TypeAdapter(
    Annotated[RequestEvent | SignupEvent, Field(discriminator="kind")]
)


def read_event(item: Any) -> Event:
    """One entry of a batch: with a `kind` a whole event, without one the twelve counts.

    Raises: pydantic.ValidationError.
    """
    if isinstance(item, dict) and "kind" in item:
        return _WHOLE.validate_python(item)
    return Counts.model_validate(item)
