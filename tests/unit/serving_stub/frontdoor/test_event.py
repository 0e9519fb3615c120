"""What a request event looks like on the wire."""

from __future__ import annotations

import json

from serving_stub.frontdoor.caller import ClientKnown, NetworkKind
from serving_stub.frontdoor.event import (
    EventText,
    Fallback,
    RequestEvent,
    Signup,
    SignupEvent,
    decode,
    encode,
    encode_counts,
    new_event_id,
)

FULL = RequestEvent(
    event_id="e-1",
    ts=1790000000.5,
    endpoint="chat.completions",
    status=200,
    org="acme",
    account="a-1",
    key_hash="k1",
    service_class="free",
    cluster="tokyo-1",
    model="smollm2",
    ip_prefix="203.0.113.0/24",
    asn=64500,
    asn_type=NetworkKind.HOSTING,
    country="JP",
    client_fp="official-2",
    client_known=ClientKnown.KNOWN,
    conversation="c1",
    system_prompt_hash="s1",
    request_hash="r1",
    simhash="00ff00ff00ff00ff",
    prompt_tokens=12,
    cached_tokens=4,
    completion_tokens=7,
    max_tokens=64,
    is_stream=True,
    finish_reason="stop",
    refused=False,
    moderation={"hate": 0.25},
    pattern_hits=("jailbreak",),
    safety_identifier="u1",
    account_age=86400.0,
    signup=Signup("p1", "d1", "m1"),
    billable=False,
    fallback=Fallback("persona", "cat"),
    ttft_s=0.25,
    latency_s=1.5,
    text=EventText("Hello"),
)


def test_an_event_on_the_wire() -> None:
    """Field by field, as a sink reads it."""
    assert json.loads(encode(FULL)) == {
        "event_id": "e-1",
        "ts": 1790000000.5,
        "endpoint": "chat.completions",
        "status": 200,
        "org": "acme",
        "kind": "request",
        "account": "a-1",
        "key_hash": "k1",
        "service_class": "free",
        "cluster": "tokyo-1",
        "model": "smollm2",
        "ip_prefix": "203.0.113.0/24",
        "asn": 64500,
        "asn_type": "hosting",
        "country": "JP",
        "client_fp": "official-2",
        "client_known": "known",
        "conversation": "c1",
        "system_prompt_hash": "s1",
        "request_hash": "r1",
        "simhash": "00ff00ff00ff00ff",
        "prompt_tokens": 12,
        "cached_tokens": 4,
        "completion_tokens": 7,
        "max_tokens": 64,
        "is_stream": True,
        "finish_reason": "stop",
        "error_code": None,
        "door_reason": None,
        "refused": False,
        "moderation": {"hate": 0.25},
        "pattern_hits": ["jailbreak"],
        "crisis": False,
        "safety_identifier": "u1",
        "account_age": 86400.0,
        "signup": {"payment_fp": "p1", "device_fp": "d1", "mail_pattern": "m1"},
        "billable": False,
        "fallback": {"mode": "persona", "prompt": "cat"},
        "ttft_s": 0.25,
        "latency_s": 1.5,
        "text": {"prompt": "Hello", "completion": None},
    }


def test_events_survive_the_wire() -> None:
    """Both kinds come back as they were."""
    signup = SignupEvent(event_id="s-1", ts=1.0, org="acme", account="a-2", signup=Signup("p1"))
    assert decode(encode(FULL)) == FULL
    assert decode(encode(signup)) == signup


def test_what_is_not_known_is_null() -> None:
    """A policy can tell "no" from "not known", and nothing is said in text unless it is given."""
    sent = json.loads(encode(RequestEvent(event_id="e", ts=1.0, endpoint="models", status=503, org="anonymous")))
    assert {sent[name] for name in ("account", "country", "prompt_tokens", "refused", "signup", "text")} == {None}


def test_a_fixed_table_gets_its_twelve_fields() -> None:
    """Names that are too long for its columns are cut; a sign-up has no place in it."""
    counts = encode_counts(FULL)
    assert counts is not None
    assert json.loads(counts) == {
        "event_id": "e-1",
        "at": 1790000000.5,
        "tenant": "acme",
        "key_id": "k1",
        "model": "smollm2",
        "endpoint": "chat.completions",
        "status": 200,
        "prompt_tokens": 12,
        "completion_tokens": 7,
        "ttft_s": 0.25,
        "duration_s": 1.5,
        "finish_reason": "stop",
    }
    assert encode_counts(SignupEvent(event_id="s", ts=1.0, org="o", account="a", signup=Signup())) is None


def test_event_ids_sort_by_time_and_differ() -> None:
    """Two requests of one millisecond have two ids."""
    ids = [new_event_id(now) for now in (1.0, 1.0, 2.0, 1790000000.0)]
    assert len(set(ids)) == 4
    assert ids[1] < ids[2] < ids[3]
