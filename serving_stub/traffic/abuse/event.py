"""Request events as a door would log them, written from a plan without any server.

Field names and their meaning are those of the door's request log. The label is beside the fields and never among what
a policy may read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from serving_stub.traffic.abuse.cast import DAY_S
from serving_stub.traffic.abuse.move import NO_TRAITS, Entity, Joining, Member, Move, Traits
from serving_stub.traffic.retry import HAND_OFF_S

TOKENS_PER_WORD = 1.3
TEMPLATE_TOKENS = 20


@dataclass(frozen=True, slots=True)
class Label:
    """What an event really belongs to; the background has none.

    Args:
        shape: its id.
        entity: whom a finding should name.
        is_history: from before the shape's start, when nothing was wrong yet.
    """

    shape: str
    is_abuse: bool
    strength: float
    entity: Entity
    is_history: bool = False


@dataclass(frozen=True, slots=True)
class Signup:
    """How an account was opened."""

    payment_fp: str | None
    device_fp: str | None
    mail_pattern: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One request, with the fields that policies count by."""

    event_id: str
    ts: float
    endpoint: str
    status: int
    org: str
    account: str
    key_hash: str | None
    ip_prefix: str
    asn: int
    asn_type: str
    country: str
    client_fp: str
    client_known: str
    conversation: str | None
    system_prompt_hash: str | None
    request_hash: str
    simhash: str
    prompt_tokens: int | None
    cached_tokens: int | None
    completion_tokens: int | None
    max_tokens: int
    refused: bool
    account_age: float
    signup: Signup | None
    moderation: Mapping[str, float] = field(default_factory=dict)
    safety_identifier: str | None = None
    kind: Literal["request"] = "request"
    label: Label | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignupRow:
    """One account that was opened."""

    event_id: str
    ts: float
    org: str
    account: str
    signup: Signup
    ip_prefix: str
    asn: int
    asn_type: str
    country: str
    client_fp: str
    client_known: str
    kind: Literal["signup"] = "signup"
    label: Label | None = None


Row = EventRow | SignupRow


def rows_of(move: Move | Joining, start: float, label: Label | None, simhash: Callable[[str], int]) -> list[Row]:
    """The events of one move: a relayed request is one for each key that tried.

    Args:
        start: of the plan, seconds since the epoch.
        simhash: the near-duplicate hash of a prompt.
    """
    if isinstance(move, Joining):
        return [_signup(move, start, label)]
    number = int(_digest(f"{move.at_s}", move.prompt), 16)
    senders = (move.who, *move.relays)
    rows: list[Row] = []
    at_s = move.at_s
    for index, who in enumerate(senders):
        is_last = index == len(senders) - 1
        rows.append(_request(move, who, start + at_s, move.status if is_last else 429, label, simhash(move.prompt)))
        at_s += HAND_OFF_S[0] + (HAND_OFF_S[1] - HAND_OFF_S[0]) * (number % 97) / 97
    return rows


def encode(row: Row) -> str:
    """One line of JSON."""
    return json.dumps(asdict(row), separators=(",", ":"))


def _request(move: Move, who: Member, ts: float, status: int, label: Label | None, simhash: int) -> EventRow:
    is_served = status == 200
    prompt_tokens = move.prompt_tokens or TEMPLATE_TOKENS + round(TOKENS_PER_WORD * _num_words(move))
    persona = who.persona
    return EventRow(
        event_id=_digest("event", f"{ts:.6f}", persona.account, move.prompt, str(status)),
        ts=round(ts, 3),
        endpoint=move.endpoint,
        status=status,
        org=persona.tenant,
        account=persona.account,
        key_hash=persona.key_hash,
        ip_prefix=persona.network.prefix,
        asn=persona.network.asn,
        asn_type=persona.network.kind,
        country=persona.country,
        client_fp=persona.client.fingerprint,
        client_known=persona.client.known,
        conversation=move.conversation or _digest("conversation", f"{move.at_s}", persona.account, move.prompt),
        system_prompt_hash=None if move.system is None else _digest("system", move.system),
        request_hash=_digest("request", move.system or "", move.prompt, str(move.max_tokens)),
        simhash=f"{simhash:016x}",
        prompt_tokens=prompt_tokens if is_served else None,
        cached_tokens=round(prompt_tokens * (1 - move.uncached)) if is_served else None,
        completion_tokens=move.completion_tokens if is_served else None,
        max_tokens=move.max_tokens,
        refused=move.refused and is_served,
        account_age=round(who.age_days * DAY_S + max(0.0, move.at_s), 1),
        signup=_traits(who.traits),
        moderation=dict(move.harm),
        safety_identifier=move.safety_identifier,
        label=label,
    )


def _signup(joining: Joining, start: float, label: Label | None) -> SignupRow:
    persona = joining.who.persona
    traits = joining.who.traits
    return SignupRow(
        event_id=_digest("signup", persona.account),
        ts=round(start + joining.at_s, 3),
        org=persona.tenant,
        account=persona.account,
        signup=Signup(traits.payment, traits.device, traits.mail_pattern),
        ip_prefix=persona.network.prefix,
        asn=persona.network.asn,
        asn_type=persona.network.kind,
        country=persona.country,
        client_fp=persona.client.fingerprint,
        client_known=persona.client.known,
        label=label,
    )


def _traits(traits: Traits) -> Signup | None:
    return None if traits == NO_TRAITS else Signup(traits.payment, traits.device, traits.mail_pattern)


def _num_words(move: Move) -> int:
    return len(move.prompt.split()) + len((move.system or "").split())


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()
