"""Request events: what the log says about one request, in words that abuse policies count by.

An event holds counts, ids, hashes and scores. Prompt and answer are in it only where that was configured; keys,
addresses and mails never are. A field that is not known is None, so a policy can tell "no" from "not known".
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from serving_stub.frontdoor.caller import ClientKnown, NetworkKind


@dataclass(frozen=True, slots=True)
class Signup:
    """What is known of how an account was opened; hashes and a pattern, as the account feed gave them."""

    payment_fp: str | None = None
    device_fp: str | None = None
    mail_pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Fallback:
    """Which prompt stood in for the caller's own.

    Args:
        mode: notice, safe or persona.
        prompt: id of its file in the library.
    """

    mode: str
    prompt: str


@dataclass(frozen=True, slots=True)
class EventText:
    """What was said; for evaluation sets and nothing else."""

    prompt: str
    completion: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEvent:
    """One request, whoever answered it: the engine, the upstream or the door itself.

    Args:
        event_id: the same for every time that the event is sent.
        ts: when the request came, seconds since the epoch.
        org: the tenant.
        account, key_hash: below the tenant; the key's public id or keyed hash, never the key.
        ip_prefix: such as `203.0.113.0/24`.
        asn, asn_type, country: of the address.
        client_fp: the client signature that the request was recognised by, or the hash of what it looks like.
        endpoint: `chat.completions`, `completions`, `models` …
        conversation: the same for all turns of one conversation, see `conversation.py`.
        system_prompt_hash, request_hash: keyed hashes.
        simhash: of the prompt, 16 hexadecimal digits; near-duplicates differ in few bits.
        cached_tokens: of the prompt, those that the prefix cache had.
        max_tokens: as asked for.
        refused: whether the answer refuses to talk about it; None where nobody looked.
        moderation: scores from 0 to 1 by category.
        pattern_hits: ids of the pattern sets that matched.
        crisis: whether somebody may be in danger.
        safety_identifier: keyed hash of the end user's id that the client sent.
        account_age: seconds since sign-up.
        billable: whether the tokens are to be paid for.
        fallback: which prompt stood in, if one did.
        door_reason: why the door answered instead of the engine, such as `shed` or `failwhale`.
        ttft_s, latency_s: from the request's arrival to the first token and to the end.
    """

    event_id: str
    ts: float
    endpoint: str
    status: int
    org: str
    kind: Literal["request"] = "request"
    account: str | None = None
    key_hash: str | None = None
    service_class: str | None = None
    cluster: str | None = None
    model: str | None = None
    ip_prefix: str | None = None
    asn: int | None = None
    asn_type: NetworkKind = NetworkKind.UNKNOWN
    country: str | None = None
    client_fp: str | None = None
    client_known: ClientKnown = ClientKnown.UNKNOWN
    conversation: str | None = None
    system_prompt_hash: str | None = None
    request_hash: str | None = None
    simhash: str | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    max_tokens: int | None = None
    is_stream: bool = False
    finish_reason: str | None = None
    error_code: str | None = None
    door_reason: str | None = None
    refused: bool | None = None
    moderation: Mapping[str, float] = field(default_factory=dict)
    pattern_hits: tuple[str, ...] = ()
    crisis: bool = False
    safety_identifier: str | None = None
    account_age: float | None = None
    signup: Signup | None = None
    billable: bool = True
    fallback: Fallback | None = None
    ttft_s: float | None = None
    latency_s: float = 0.0
    text: EventText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignupEvent:
    """An account was opened, as the account feed told it."""

    event_id: str
    ts: float
    org: str
    account: str
    signup: Signup
    kind: Literal["signup"] = "signup"
    ip_prefix: str | None = None
    asn: int | None = None
    asn_type: NetworkKind = NetworkKind.UNKNOWN
    country: str | None = None
    client_fp: str | None = None
    client_known: ClientKnown = ClientKnown.UNKNOWN


Event = RequestEvent | SignupEvent

_REQUEST = TypeAdapter(RequestEvent)
_SIGNUP = TypeAdapter(SignupEvent)
_EITHER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])
_MOST_NAME_LENGTH = 128
_MOST_REASON_LENGTH = 16


def encode(event: Event) -> bytes:
    """The event as one JSON object on one line.

    Raises: PydanticSerializationError when a field holds what its type does not allow.
    """
    return _REQUEST.dump_json(event) if isinstance(event, RequestEvent) else _SIGNUP.dump_json(event)


def decode(content: bytes) -> Event:
    """The inverse of `encode`.

    Raises: pydantic.ValidationError.
    """
    return _EITHER.validate_json(content)


@dataclass(frozen=True, slots=True)
class _Counts:
    event_id: str
    at: float
    tenant: str
    key_id: str
    model: str
    endpoint: str
    status: int
    prompt_tokens: int
    completion_tokens: int
    ttft_s: float | None
    duration_s: float
    finish_reason: str | None


_COUNTS = TypeAdapter(_Counts)


def encode_counts(event: Event) -> bytes | None:
    """The twelve fields that a sink with a fixed table takes; None for what is no request."""
    if not isinstance(event, RequestEvent):
        return None
    return _COUNTS.dump_json(
        _Counts(
            event_id=event.event_id,
            at=event.ts,
            tenant=event.org[:_MOST_NAME_LENGTH],
            key_id=(event.key_hash or "")[:_MOST_NAME_LENGTH],
            model=(event.model or "")[:_MOST_NAME_LENGTH],
            endpoint=event.endpoint[:64],
            status=event.status,
            prompt_tokens=event.prompt_tokens or 0,
            completion_tokens=event.completion_tokens or 0,
            ttft_s=event.ttft_s,
            duration_s=event.latency_s,
            finish_reason=event.finish_reason and event.finish_reason[:_MOST_REASON_LENGTH],
        )
    )


def new_event_id(now: float) -> str:
    """An id for a request that came at *now*, seconds since the epoch: sorts by time, and nobody else has it."""
    return f"{int(now * 1000):012x}{secrets.token_hex(10)}"
