"""Builders for leases: a clock that is moved by hand, one knob, and a request with any field changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count

from serving_stub.frontdoor.audit import Note
from serving_stub.frontdoor.book import LeaseBook
from serving_stub.frontdoor.knob import Mode, NumberKnob
from serving_stub.frontdoor.lease import LeaseEvent, LeaseRequest

KNOB = NumberKnob("batch_limit", base=32, minimum=1, maximum=32, on_ends=("release", "ramp"))
EMPTY = LeaseBook({KNOB.name: KNOB})
_NUMBERS = count(1)


class ManualClock:
    """Shows the time it was set to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time


class MemoryJournal:
    """Keeps events in a list, for tests whose subject is not the disk."""

    is_large = False

    def __init__(self) -> None:
        self.events: list[LeaseEvent] = []
        self.notes: list[Note] = []

    def append(self, events: Iterable[LeaseEvent], notes: Iterable[Note]) -> None:
        self.events += events
        self.notes += notes

    def compact(self, book: LeaseBook, notes: Sequence[Note]) -> None:
        raise AssertionError("it is never large")


def lease_request(
    value: int = 8, *, mode: Mode = "finish", ttl_s: float = 60.0, key: str | None = None, owner: str = "run:1"
) -> LeaseRequest:
    """A request for a smaller batch, with an idempotency key of its own unless one is given."""
    request = LeaseRequest(KNOB.name, value, mode, ttl_s, owner, "KV cache pressure", f"key-{next(_NUMBERS)}")
    return request if key is None else replace(request, idempotency_key=key)
