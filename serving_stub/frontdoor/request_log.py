"""The request log: events wait in bounded memory and go to a sink in batches, at least once each.

`put` never blocks and never raises, so no request is ever the worse for it. A sink that is away is tried again, later
each time; meanwhile memory stays within its bound, and the oldest events are dropped and counted. Whatever was not
counted as dropped was taken by the sink, perhaps more than once: it tells copies by their event ids.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from serving_stub.frontdoor.event import Event
from serving_stub.frontdoor.log_sink import Delivery, Outcome, Sink

_LOG = logging.getLogger(__name__)


class DropReason(StrEnum):
    """Why an event never got to the sink."""

    BUFFER_FULL = "buffer_full"
    TOO_LARGE = "too_large"
    NOT_ENCODABLE = "not_encodable"
    REJECTED = "rejected"
    SHUTDOWN = "shutdown"


class LogSettings(BaseModel):
    """Bounds and paces.

    Args:
        max_events, max_bytes: held in memory, the batch on its way included.
        max_event_bytes: of one event; larger ones are dropped.
        batch_events, batch_bytes: at most in one batch.
        max_age_s: how long an event waits for a batch to fill.
        first_backoff_s, max_backoff_s: before a batch is tried again: doubled each time, less a random part.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_events: int = Field(default=50_000, ge=1)
    max_bytes: int = Field(default=64 << 20, ge=1)
    max_event_bytes: int = Field(default=1 << 20, ge=1)
    batch_events: int = Field(default=500, ge=1)
    batch_bytes: int = Field(default=4 << 20, ge=1)
    max_age_s: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    first_backoff_s: float = Field(default=0.5, gt=0, allow_inf_nan=False)
    max_backoff_s: float = Field(default=30.0, gt=0, allow_inf_nan=False)


@dataclass(slots=True)
class LogCounts:
    """What became of all events so far; plain numbers, for the metrics to read at any time."""

    put: int = 0
    delivered: int = 0
    batches: int = 0
    failed_batches: int = 0
    dropped: dict[DropReason, int] = field(default_factory=lambda: dict.fromkeys(DropReason, 0))


class RequestLog:
    """One sink's log; `put` and `run` belong to one event loop."""

    def __init__(self, sink: Sink, settings: LogSettings, rng: random.Random | None = None) -> None:
        self._sink = sink
        self._settings = settings
        self._random = rng or random.Random()
        self._lines: deque[bytes] = deque()
        self._on_the_way: list[bytes] = []
        self._num_bytes = 0
        self._batch_events = settings.batch_events
        self._num_failures = 0
        self._has_any = asyncio.Event()
        self._has_batch = asyncio.Event()
        self._closing = asyncio.Event()
        self.counts = LogCounts()

    @property
    def num_buffered(self) -> int:
        """Events in memory."""
        return len(self._lines) + len(self._on_the_way)

    @property
    def num_buffered_bytes(self) -> int:
        """Their size as JSON."""
        return self._num_bytes

    @property
    def is_sink_up(self) -> bool:
        """Whether the last batch was taken, or none was sent yet."""
        return self._num_failures == 0

    def put(self, event: Event) -> None:
        """Keep an event until it is delivered or has to make room."""
        try:
            line = self._sink.encode(event)
        except Exception as error:  # whatever is wrong with an event, its request must not feel it
            self.counts.put += 1
            self._drop(DropReason.NOT_ENCODABLE)
            _LOG.error("a request event cannot be encoded: %s", type(error).__name__)
            return
        if line is None:
            return
        self.counts.put += 1
        if len(line) > self._settings.max_event_bytes:
            self._drop(DropReason.TOO_LARGE)
            return
        self._lines.append(line)
        self._num_bytes += len(line)
        self._make_room()
        self._has_any.set()
        if len(self._lines) >= self._batch_events:
            self._has_batch.set()

    async def run(self) -> None:
        """Deliver until `close`."""
        while self._lines or not self._closing.is_set():
            await self._wait_for_batch()
            if self._lines:
                await self._deliver()

    async def close(self, running: asyncio.Task[None], limit_s: float) -> None:
        """Deliver what there is within *limit_s*, count the rest as dropped, and let go of the sink.

        Args:
            running: the task that runs `run`.
        """
        self._closing.set()
        self._has_any.set()
        self._has_batch.set()
        await asyncio.wait({running}, timeout=limit_s)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        self._drop(DropReason.SHUTDOWN, len(self._lines))
        self._lines.clear()
        self._num_bytes = 0
        await self._sink.close()

    async def _wait_for_batch(self) -> None:
        if self._closing.is_set():
            return
        await self._has_any.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._has_batch.wait(), self._settings.max_age_s)

    async def _deliver(self) -> None:
        """One batch; what the sink does not take goes back to the front."""
        batch = self._on_the_way = self._take()
        try:
            delivery = await self._sink.send(batch)
        except asyncio.CancelledError:
            self._give_back(batch)
            raise
        except Exception as error:  # the log outlives every sink
            delivery = Delivery(Outcome.TRY_LATER, reason=type(error).__name__)
        match delivery.outcome:
            case Outcome.TAKEN:
                self._on_the_way = []
                self._num_bytes -= sum(map(len, batch))
                self.counts.batches += 1
                self.counts.delivered += len(batch) - delivery.num_rejected
                self._drop(DropReason.REJECTED, delivery.num_rejected)
                self._batch_events = min(self._settings.batch_events, 2 * self._batch_events)
                self._note_success()
            case Outcome.TOO_LARGE | Outcome.REFUSED if len(batch) == 1:
                self._on_the_way = []
                self._num_bytes -= len(batch[0])
                self.counts.failed_batches += 1
                is_size = delivery.outcome is Outcome.TOO_LARGE
                self._drop(DropReason.TOO_LARGE if is_size else DropReason.REJECTED)
                # If the sink refuses everything, it is not to be asked for every event alone at full speed.
                await self._back_off(delivery)
            case Outcome.TOO_LARGE | Outcome.REFUSED:
                # Halves are tried until the event that spoils them is alone.
                self.counts.failed_batches += 1
                self._give_back(batch)
                self._batch_events = max(1, len(batch) // 2)
            case Outcome.TRY_LATER:
                self.counts.failed_batches += 1
                self._give_back(batch)
                await self._back_off(delivery)

    def _take(self) -> list[bytes]:
        batch: list[bytes] = []
        num_bytes = 0
        while self._lines and len(batch) < self._batch_events:
            num_bytes += len(self._lines[0])
            if batch and num_bytes > self._settings.batch_bytes:
                break
            batch.append(self._lines.popleft())
        if not self._lines:
            self._has_any.clear()
        if len(self._lines) < self._batch_events:
            self._has_batch.clear()
        return batch

    def _give_back(self, batch: list[bytes]) -> None:
        self._lines.extendleft(reversed(batch))
        self._on_the_way = []
        self._make_room()
        self._has_any.set()
        self._has_batch.set()

    def _make_room(self) -> None:
        """Drop the oldest that wait until what is held is within its bounds; a batch on its way is left alone."""
        while self._lines and (
            len(self._lines) + len(self._on_the_way) > self._settings.max_events
            or self._num_bytes > self._settings.max_bytes
        ):
            self._num_bytes -= len(self._lines.popleft())
            self._drop(DropReason.BUFFER_FULL)

    async def _back_off(self, delivery: Delivery) -> None:
        if self._num_failures == 0:
            _LOG.warning("the sink of the request log does not take events (%s); they wait", delivery.reason)
        longest = min(self._settings.max_backoff_s, self._settings.first_backoff_s * 2.0 ** min(self._num_failures, 30))
        self._num_failures += 1
        delay_s = max(longest * (0.5 + 0.5 * self._random.random()), delivery.retry_after_s or 0.0)
        with contextlib.suppress(TimeoutError):
            # While closing there is no time for long pauses, but a sink that is away must not be hammered either.
            if self._closing.is_set():
                await asyncio.sleep(min(delay_s, self._settings.first_backoff_s))
            else:
                await asyncio.wait_for(self._closing.wait(), delay_s)

    def _note_success(self) -> None:
        if self._num_failures:
            _LOG.warning("the sink of the request log takes events again")
        self._num_failures = 0

    def _drop(self, reason: DropReason, number: int = 1) -> None:
        self.counts.dropped[reason] += number
