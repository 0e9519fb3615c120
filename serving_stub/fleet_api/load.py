"""Plays a scenario or a trace to a live fleet: each arrival at its time, through the router and its cluster's door."""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable

from starlette.types import Message, Scope

from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.router import Refused
from serving_stub.fleet_api.cluster import LOST
from serving_stub.fleet_api.live_router import LiveRouter

SERVED = "served"
_NOTHING_YET_S = 0.002
"""Arrivals that are due within this are sent at once: sleeping shorter costs more than it tells."""


class FleetPlayer:
    """Open loop: it never waits for an answer before it sends the next request.

    `outcomes` counts what became of requests: `served`, the code of a refusal or failure, or why there was no route.
    """

    def __init__(self, router: LiveRouter, now: Callable[[], float] = time.monotonic) -> None:
        self._router = router
        self._now = now
        self._tasks: set[asyncio.Task[None]] = set()
        self.num_sent = 0
        self.outcomes: Counter[str] = Counter()

    async def run(self, arrivals: Iterable[Arrival]) -> None:
        """Send *arrivals*, which are in order of time; returns when the last is sent."""
        began = self._now()
        for number, arrival in enumerate(arrivals):
            left_s = began + arrival.at_s - self._now()
            if left_s > _NOTHING_YET_S:
                await asyncio.sleep(left_s)
            self._send(arrival, number)

    async def finish(self) -> None:
        """Wait until every request has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _send(self, arrival: Arrival, number: int) -> None:
        self.num_sent += 1
        task = asyncio.create_task(self._serve(arrival, number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, arrival: Arrival, number: int) -> None:
        decision = self._router.choose(arrival.country, arrival.model)
        if isinstance(decision, Refused):
            self.outcomes[decision.reason.value] += 1
            return
        with self._router.sent(decision) as cluster:
            answer = _Answer(arrival)
            await cluster(scope_of(arrival, number), answer.receive, answer.send)
            is_lost = cluster.is_lost
        self.outcomes[LOST.code if is_lost and answer.outcome != SERVED else answer.outcome] += 1


class _Answer:
    """The client's side of one request: it asks, waits, and hears how it went."""

    def __init__(self, arrival: Arrival) -> None:
        asked = {"model": arrival.model, "prompt": "simulated", "max_tokens": arrival.answer_tokens}
        self._body: bytes | None = json.dumps(asked).encode()
        self._status = 0
        self._said = b""

    async def receive(self) -> Message:
        """Its body, and then nothing: it never hangs up."""
        if self._body is None:
            await asyncio.Event().wait()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        """Hear the answer."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif self._status != 200:
            self._said += message.get("body", b"")

    @property
    def outcome(self) -> str:
        """`served`, or the code of the error."""
        if self._status == 200:
            return SERVED
        try:
            return str(json.loads(self._said)["error"]["code"])
        except (ValueError, KeyError, TypeError):
            return str(self._status)


def scope_of(arrival: Arrival, number: int) -> Scope:
    """The request as a cluster's door meets it: from a made-up address of its tenant, behind the fleet's router."""
    host = zlib.crc32(arrival.tenant.encode()) % (1 << 17)
    address = f"198.{18 + (host >> 16)}.{host >> 8 & 255}.{host & 255}"
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/completions",
        "raw_path": b"/v1/completions",
        "root_path": "",
        "query_string": b"",
        "headers": [
            (b"content-type", b"application/json"),
            (b"x-forwarded-for", address.encode()),
            (b"cf-ipcountry", arrival.country.encode()),
        ],
        "client": ("127.0.0.1", 0),
        "server": None,
        "state": {"arrival": arrival, "number": number, "tenant": arrival.tenant},
    }
