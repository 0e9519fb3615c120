"""The event door over a real file: accepted means on disk, sent twice is kept once, one bad event drops nobody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from opsbot.events.role import KEPT_S, EventsRole
from opsbot.web.tokens import Tokens
from tests.support.serving_leases import ManualClock

pytestmark = pytest.mark.integration

NOW = 1_790_000_000.0
MACHINE = {"Authorization": "Bearer machine"}


class Clock(ManualClock):
    """Time that the test sets."""

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def role(tmp_path: Path) -> Iterator[EventsRole]:
    """A role over a file of its own."""
    started = EventsRole(tmp_path / "events.sqlite", Tokens.of("machine", {}), Clock(NOW))
    yield started
    started.close()


def event(event_id: str, **changes: Any) -> Mapping[str, Any]:
    """One request event."""
    return {
        "event_id": event_id,
        "at": NOW,
        "tenant": "t-1",
        "key_id": "k-1",
        "model": "smollm2",
        "endpoint": "chat.completions",
        "status": 200,
        "prompt_tokens": 12,
        "completion_tokens": 34,
        "ttft_s": 0.2,
        "duration_s": 1.5,
        "finish_reason": "stop",
        **changes,
    }


async def post(role: EventsRole, body: Any, headers: Mapping[str, str] = MACHINE) -> httpx.Response:
    """Send a batch."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(role.app), base_url="http://events") as http:
        if isinstance(body, bytes):
            return await http.post("/events", content=body, headers=headers)
        return await http.post("/events", json=body, headers=headers)


async def test_a_batch_is_kept_and_sent_twice_is_kept_once(role: EventsRole) -> None:
    """The sender may repeat after a lost answer."""
    batch = {"events": [event("a"), event("b")]}
    assert (await post(role, batch)).json() == {"accepted": 2, "rejected": []}
    await post(role, batch)
    assert role.count() == 2


async def test_one_bad_event_never_drops_the_batch(role: EventsRole) -> None:
    """What is wrong with each is said; text of a prompt is not taken, whatever its key."""
    batch = {"events": [event("a"), event("b", status=7), event("c", prompt="secret words"), "rubbish", event("d")]}
    answer = (await post(role, batch)).json()
    assert answer["accepted"] == 2
    assert [line.split(":")[0] for line in answer["rejected"]] == ["events[1].status", "events[2].prompt", "events[3]."]
    assert "secret words" not in str(answer)
    assert role.count() == 2


@pytest.mark.parametrize("body", [b"rubbish", b"[]", b'{"events": 1}', b"{}", b"\xff"])
async def test_what_is_no_batch_is_refused(role: EventsRole, body: bytes) -> None:
    """400 and what was expected."""
    answer = await post(role, body)
    assert answer.status_code == 400
    assert "events" in answer.json()["error"]["message"]


async def test_the_door_needs_its_token(role: EventsRole) -> None:
    """Nobody else writes."""
    assert (await post(role, {"events": []}, {})).status_code == 401
    assert (await post(role, {"events": [event("a")]}, {"Authorization": "Bearer other"})).status_code == 401
    assert role.count() == 0


async def test_events_are_kept_for_a_day(role: EventsRole) -> None:
    """Older ones go, younger ones stay."""
    await post(role, {"events": [event("old", at=NOW - KEPT_S - 1), event("young", at=NOW - KEPT_S + 1)]})
    assert role.sweep() == 1
    assert role.count() == 1
