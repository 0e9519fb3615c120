"""Admission: a slot to be served in, at once, after a wait, or not at all.

`async with admission.slot(...) as refusal` surrounds the whole of a request's service, its stream included, so no more
than the limit are ever served at a time; a limit that is lowered only lets fewer in and cuts no stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from serving_stub.frontdoor.admission_queue import AdmissionQueue, Place, Ticket, TooMany
from serving_stub.frontdoor.refusal import Reason, Refusal
from serving_stub.frontdoor.share import place_of
from serving_stub.frontdoor.tenant import ServiceClass

_SPREAD_SALT = 0x51077


class ClientGone(Exception):
    """Whoever asked has hung up while waiting; nobody is left to be answered."""


class Admission:
    """The queue of one server, in one event loop.

    Args:
        limit: most requests served at a time.
        clock: seconds that never step back.
    """

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._queue = AdmissionQueue(limit, clock())
        self._turns: dict[Ticket, asyncio.Future[None]] = {}

    @property
    def queue(self) -> AdmissionQueue:
        """To be read for metrics and for whoever ramps up; not to be changed."""
        return self._queue

    def set_limit(self, limit: int) -> None:
        """Change how many are served at a time, from 0."""
        self._wake(self._queue.expire(self._clock()))
        self._wake(self._queue.set_limit(limit, self._clock()))

    def expire(self) -> None:
        """Refuse those whose deadline has come; timers call it, and whatever else moves the queue."""
        self._wake(self._queue.expire(self._clock()))

    @asynccontextmanager
    async def slot(
        self, service_class: ServiceClass, identity: str, gone: asyncio.Future[Any] | None = None
    ) -> AsyncIterator[Refusal | None]:
        """A slot that is held until the block ends, or a refusal and no slot.

        Args:
            identity: the caller's; those refused are asked to come back at different times, each always at its own.
            gone: is done when the client hangs up; whoever waits then leaves the queue at once. Cancelling does too.
        Raises: ClientGone.
        """
        self.expire()
        arrived = self._queue.arrive(service_class, self._clock())
        if isinstance(arrived, TooMany):
            yield _refuse(arrived, service_class, identity)
            return
        try:
            if arrived.place is Place.WAITING:
                await self._turn_of(arrived, gone)
            if arrived.place is Place.EXPIRED:
                yield _refuse_late(self._queue.expected_wait_s(service_class, self._clock()), service_class, identity)
            else:
                yield None
        finally:
            self.expire()
            self._wake(self._queue.leave(arrived, self._clock()))

    async def _turn_of(self, ticket: Ticket, gone: asyncio.Future[Any] | None) -> None:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._turns[ticket] = turn
        timer = loop.call_later(max(0.0, ticket.deadline - self._clock()) + 0.001, self.expire)
        try:
            if gone is None:
                await turn
            else:
                await asyncio.wait((turn, gone), return_when=asyncio.FIRST_COMPLETED)
                if gone.done() and ticket.place is Place.WAITING:
                    raise ClientGone
        finally:
            timer.cancel()
            self._turns.pop(ticket, None)

    def _wake(self, tickets: Iterable[Ticket]) -> None:
        for ticket in tickets:
            turn = self._turns.get(ticket)
            if turn is not None and not turn.done():
                turn.set_result(None)


def _refuse(too_many: TooMany, service_class: ServiceClass, identity: str) -> Refusal:
    if too_many.is_full:
        return _refusal(
            Reason.QUEUE_FULL,
            f"The server is at capacity and {service_class.queue_bound} requests of class '{service_class.name}' "
            "wait already.",
            too_many.retry_after_s,
            identity,
        )
    return _refusal(
        Reason.TOO_LATE,
        f"The server is at capacity: this request would wait longer than the {service_class.deadline_s:g} s that "
        f"class '{service_class.name}' waits.",
        too_many.retry_after_s,
        identity,
    )


def _refuse_late(wait_s: float | None, service_class: ServiceClass, identity: str) -> Refusal:
    return _refusal(
        Reason.DEADLINE,
        f"The server is at capacity: this request has waited for {service_class.deadline_s:g} s without its turn.",
        service_class.deadline_s if wait_s is None else wait_s,
        identity,
    )


def _refusal(reason: Reason, message: str, retry_after_s: float, identity: str) -> Refusal:
    """OpenAI's client waits exactly as long as it is told and adds no jitter, so we do."""
    spread_s = max(1.0, retry_after_s) * (1 + place_of(identity, _SPREAD_SALT))
    return Refusal(429, reason.value, f"{message} Try again later.", reason, retry_after_s=min(spread_s, 60.0))
