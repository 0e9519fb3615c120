"""The parts of the loop, each asked whether it works: database, outbox, Slack, core's own rounds, watch, events.

Every question ends within its own time limit, and one that still hangs is not asked a second time beside itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

from opsbot.clock import Clock
from opsbot.errors import OpsbotError
from opsbot.heartbeat.watching import Backlog, Progress

PARTS = ("database", "outbox", "slack", "core", "watch", "events")
ASK_TIMEOUT_S = 10.0
STALE_AFTER_S = 30.0
"""Watch makes a round each second, core looks at what is due each second."""
MAX_METRICS_BYTES = 4 << 20

ROUNDS = "opsbot_watch_rounds_total"
DUE = "opsbot_watch_alerts_due"


@dataclass(frozen=True, slots=True)
class Places:
    """Base URLs of the other roles."""

    watch: str
    events: str


class LoopParts:
    """Asks every part.

    Args:
        pulse: commits a change, and answers how far what waits in the outbox is; called in a thread; raises
            OpsbotError.
        slack_problem: why Slack is not connected; None while it is.
        num_reviews: how often core has looked at what is due.
        patience_s: how long something may wait to be delivered.
    """

    def __init__(
        self,
        pulse: Callable[[float], Mapping[str, int]],
        slack_problem: Callable[[], str | None],
        num_reviews: Callable[[], int],
        places: Places,
        inside: httpx.AsyncClient,
        patience_s: float,
        clock: Clock,
    ) -> None:
        self._pulse = pulse
        self._slack_problem = slack_problem
        self._num_reviews = num_reviews
        self._places = places
        self._inside = inside
        self._clock = clock
        self._outbox = Backlog(patience_s)
        self._alerts = Backlog(patience_s)
        self._rounds = Progress(STALE_AFTER_S)
        self._reviews = Progress(STALE_AFTER_S)
        self._database_call: asyncio.Task[Mapping[str, int]] | None = None

    async def problems(self) -> Mapping[str, str]:
        """What does not work, and why, by part; empty while the loop is whole."""
        stored, watch, events = await asyncio.gather(self._stored(), self._watch(), self._events())
        found = {
            **stored,
            "slack": self._slack_problem(),
            "core": self._reviews.problem(self._num_reviews(), "its look at what is due", self._clock.monotonic()),
            "watch": watch,
            "events": events,
        }
        return {part: why for part in PARTS if (why := found.get(part)) is not None}

    async def _stored(self) -> Mapping[str, str | None]:
        """The database takes a change, and the outbox moves."""
        if self._database_call is None or self._database_call.done():
            self._database_call = asyncio.create_task(asyncio.to_thread(self._pulse, self._clock.now()))
        try:
            behind = await asyncio.wait_for(asyncio.shield(self._database_call), ASK_TIMEOUT_S)
        except TimeoutError:
            return {"database": f"it took no change within {ASK_TIMEOUT_S:.0f} s"}
        except OpsbotError as error:
            return {"database": _short(str(error))}
        return {
            "outbox": self._outbox.problem(
                behind, "something waits to be said in Slack or to PagerDuty", self._clock.monotonic()
            )
        }

    async def _watch(self) -> str | None:
        try:
            answer = await self._get(f"{self._places.watch}/metrics")
        except _NoAnswer as error:
            return str(error)
        values = _values(answer)
        if ROUNDS not in values:
            return "it does not say how many rounds it has made"
        now = self._clock.monotonic()
        due = {"alerts": 0} if values.get(DUE) else {}
        return self._rounds.problem(values[ROUNDS], "its count of rounds", now) or self._alerts.problem(
            due, "core has not taken its alerts", now
        )

    async def _events(self) -> str | None:
        try:
            await self._get(f"{self._places.events}/healthz")
        except _NoAnswer as error:
            return str(error)
        return None

    async def _get(self, url: str) -> str:
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S), self._inside.stream("GET", url) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise _NoAnswer(f"it answers {answer.status_code}")
                body = bytearray()
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_METRICS_BYTES:
                        raise _NoAnswer("its answer is too long")
                return body.decode("utf-8", errors="replace")
        except (httpx.HTTPError, TimeoutError) as error:
            raise _NoAnswer(f"it does not answer ({type(error).__name__})") from error


class _NoAnswer(Exception):
    """One sentence for people."""


def _values(text: str) -> Mapping[str, float]:
    try:
        return {
            sample.name: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name in (ROUNDS, DUE)
        }
    except ValueError:
        return {}


def _short(text: str) -> str:
    return text.splitlines()[0][:200]
