"""docs/request-log.md, the door that writes events and the bot's door that takes them say the same."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import httpx

from opsbot.clock import SystemClock
from opsbot.events import event as bot
from opsbot.events.role import EventsRole
from opsbot.web.tokens import Tokens
from serving_stub.frontdoor import event as door
from serving_stub.frontdoor.caller import ClientKnown, NetworkKind

PAGE = (Path(__file__).parents[2] / "docs/request-log.md").read_text(encoding="utf-8")
MACHINE = {"Authorization": "Bearer machine"}

FULL = door.RequestEvent(
    event_id="e-1",
    ts=1_790_000_000.5,
    endpoint="chat.completions",
    status=200,
    org="acme",
    account="ci",
    key_hash="k-6063c108",
    service_class="paid",
    cluster="frankfurt-1",
    model="smollm2",
    ip_prefix="203.0.113.0/24",
    asn=64500,
    asn_type=NetworkKind.HOSTING,
    country="JP",
    client_fp="openai-python-3",
    client_known=ClientKnown.KNOWN,
    conversation="2026-11-9f3a.0123456789abcdef0123456789abcdef",
    system_prompt_hash="2026-11-9f3a.0123456789abcdef0123456789abcdef",
    request_hash="2026-11-9f3a.0123456789abcdef0123456789abcdef",
    simhash="0123456789abcdef",
    prompt_tokens=12,
    cached_tokens=8,
    completion_tokens=34,
    max_tokens=64,
    is_stream=True,
    finish_reason="stop",
    error_code=None,
    door_reason=None,
    refused=False,
    moderation={"hate": 0.25},
    pattern_hits=("jailbreak/ignore",),
    crisis=False,
    safety_identifier="2026-11-9f3a.0123456789abcdef0123456789abcdef",
    account_age=86_400.0,
    signup=door.Signup("card-1", "dev-1", "word-digits"),
    billable=False,
    fallback=door.Fallback("persona", "cat"),
    ttft_s=0.2,
    latency_s=1.5,
    text=door.EventText("What is the airspeed", "Meow"),
)
SIGNUP = door.SignupEvent(
    event_id="s-1",
    ts=1_790_000_000.5,
    org="acme",
    account="ci",
    signup=door.Signup("card-1"),
    ip_prefix="203.0.113.0/24",
    country="JP",
)


async def sent(tmp_path: Path, *lines: bytes | None) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]], int]:
    """What the bot's door answers to the lines as the sink posts them, and what it keeps."""
    role = EventsRole(tmp_path / "events.sqlite", Tokens.of("machine", {}), SystemClock())
    body = b'{"events":[' + b",".join(line for line in lines if line is not None) + b"]}"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(role.app), base_url="http://events") as http:
        answer = (await http.post("/events", content=body, headers=MACHINE)).json()
    kept = {kind: role.whole_events(kind) for kind in ("request", "signup")}
    num = role.count()
    role.close()
    return answer, kept, num


def test_both_sides_have_the_same_fields() -> None:
    """Field by field, of requests, sign-ups and their parts."""
    for ours, theirs in (
        (door.RequestEvent, bot.RequestEvent),
        (door.SignupEvent, bot.SignupEvent),
        (door.Signup, bot.Signup),
        (door.Fallback, bot.Fallback),
    ):
        assert {one.name for one in dataclasses.fields(ours)} == set(theirs.model_fields), ours


def test_every_field_has_its_row() -> None:
    """In the table of events, and no other name is there."""
    table = PAGE.split("## Events")[1].split("\n**")[0]
    named = {word for row in re.findall(r"^\| (.*?) \|", table, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)}
    assert named == {one.name for one in dataclasses.fields(door.RequestEvent)}


async def test_whole_events_are_kept_without_text(tmp_path: Path) -> None:
    """All that the door says arrives, and what people wrote is dropped on arrival."""
    answer, kept, num = await sent(tmp_path, door.encode(FULL), door.encode(SIGNUP))
    assert answer == {"accepted": 2, "rejected": []}
    expected = json.loads(door.encode(FULL))
    del expected["text"]
    assert kept["request"] == [expected]
    assert kept["signup"] == [json.loads(door.encode(SIGNUP))]
    assert num == 1


async def test_the_twelve_fields_still_do(tmp_path: Path) -> None:
    """Of the same request, for a sink that takes counts only."""
    answer, kept, num = await sent(tmp_path, door.encode_counts(FULL))
    assert answer == {"accepted": 1, "rejected": []}
    assert (kept["request"], num) == ([], 1)


async def test_what_is_no_event_is_named(tmp_path: Path) -> None:
    """By its place in the batch and the field."""
    wrong = json.loads(door.encode(FULL)) | {"country": "Japan"}
    answer, _, num = await sent(tmp_path, json.dumps(wrong).encode(), b'{"kind": "rumour"}')
    assert [line.split(":")[0] for line in answer["rejected"]] == ["events[0].country", "events[1]."]
    assert num == 0
