"""Who waits before the server and for how long, as a value that is told the time and starts nothing.

The better class goes first, first come first within one, and no class starves: while a worse one waits, every
SHARE-th admission goes to whoever has waited longest outside the best, as in the engine's own queue. Whoever cannot be
served by the deadline is refused at once, by what the last releases say about the wait.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from serving_stub.engine.queue import SHARE
from serving_stub.frontdoor.rate import Rate, ReleaseRate
from serving_stub.frontdoor.tenant import ServiceClass


class Place(StrEnum):
    """Where a ticket is."""

    WAITING = "waiting"
    IN_FLIGHT = "in_flight"
    DONE = "done"
    EXPIRED = "expired"


@dataclass(slots=True, eq=False)
class Ticket:
    """One request's turn; the queue alone changes it."""

    number: int
    service_class: ServiceClass
    deadline: float
    place: Place


@dataclass(frozen=True, slots=True)
class TooMany:
    """Not taken into the queue.

    Args:
        is_full: the class has as many waiting as it may; otherwise the wait would be longer than the deadline.
        retry_after_s: when the same request would be taken, as things go now.
    """

    is_full: bool
    retry_after_s: float


class AdmissionQueue:
    """At most `limit` in flight, the others waiting by class; a smaller limit cuts nobody off.

    Every method that may let somebody in returns those tickets.
    """

    def __init__(self, limit: int, now: float) -> None:
        self._limit = limit
        self._in_flight = 0
        self._waiting: dict[int, OrderedDict[int, Ticket]] = {}
        self._num_by_class: Counter[str] = Counter()
        self._deadlines: list[tuple[float, int, Ticket]] = []
        self._num_better = 0
        self._next_number = 0
        self._released = ReleaseRate(now)
        self._taken: dict[int, Rate] = {}

    @property
    def limit(self) -> int:
        return self._limit

    @property
    def num_in_flight(self) -> int:
        return self._in_flight

    @property
    def num_waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    def num_waiting_of(self, service_class: str) -> int:
        return self._num_by_class[service_class]

    def arrive(self, service_class: ServiceClass, now: float) -> Ticket | TooMany:
        """A ticket in flight where there is room, else one that waits, else why not. Call `expire` before."""
        deadline = now + service_class.deadline_s
        if self._in_flight < self._limit and not self._waiting:
            self._in_flight += 1
            self._note(now)
            return self._ticket(service_class, deadline, Place.IN_FLIGHT, now)
        refused = self._too_many(service_class, now)
        if refused is not None:
            return refused
        ticket = self._ticket(service_class, deadline, Place.WAITING, now)
        self._waiting.setdefault(service_class.priority, OrderedDict())[ticket.number] = ticket
        self._num_by_class[service_class.name] += 1
        heapq.heappush(self._deadlines, (deadline, ticket.number, ticket))
        return ticket

    def release(self, ticket: Ticket, now: float) -> list[Ticket]:
        """The request of *ticket* is over, however it ended; a ticket that is not in flight changes nothing."""
        if ticket.place is not Place.IN_FLIGHT:
            return []
        ticket.place = Place.DONE
        self._in_flight -= 1
        self._released.release(now)
        return self._fill(now)

    def leave(self, ticket: Ticket, now: float) -> list[Ticket]:
        """Whoever holds *ticket* has gone, wherever the ticket was."""
        if ticket.place is Place.WAITING:
            self._take(ticket, Place.DONE)
            return []
        return self.release(ticket, now)

    def set_limit(self, limit: int, now: float) -> list[Ticket]:
        """Change the limit, 0 or more; those in flight stay."""
        self._limit = limit
        return self._fill(now)

    def expire(self, now: float) -> list[Ticket]:
        """Take out those whose deadline has come; these are not let in but refused."""
        expired = []
        while self._deadlines and (self._deadlines[0][0] <= now or self._deadlines[0][2].place is not Place.WAITING):
            ticket = heapq.heappop(self._deadlines)[2]
            if ticket.place is Place.WAITING:
                self._take(ticket, Place.EXPIRED)
                expired.append(ticket)
        return expired

    def expected_wait_s(self, service_class: ServiceClass, now: float) -> float | None:
        """How long a newcomer would wait; None while too little has been seen to tell.

        Releases free places at some rate. Better newcomers take theirs of it first, yet a worse class gets its SHARE-th
        in any case; whichever way is shorter counts.
        """
        if self._in_flight < self._limit and not self._waiting:
            return 0.0
        rate = self._released.rate(now)
        if rate is None:
            return None
        priority = service_class.priority
        # A smaller limit is reached first: as many must end as are too many.
        surplus = max(0, self._in_flight - self._limit)
        ahead = sum(len(tickets) for other, tickets in self._waiting.items() if other <= priority)
        better = sum(taken.rate(now) for other, taken in self._taken.items() if other < priority)
        worse_wait = any(other > priority for other in self._waiting)
        own_rate = max(1e-9, (rate * (1 - 1 / SHARE) if worse_wait else rate) - better)
        wait_s = (ahead + 1 + surplus) / own_rate
        best = min(self._waiting, default=priority)
        if best < priority or better:
            outside = sum(len(tickets) for other, tickets in self._waiting.items() if other > best)
            wait_s = min(wait_s, (SHARE * (outside + 1) + surplus) / rate)
        return wait_s

    def _too_many(self, service_class: ServiceClass, now: float) -> TooMany | None:
        wait_s = self.expected_wait_s(service_class, now)
        if self._num_by_class[service_class.name] >= service_class.queue_bound:
            # One place is free sooner; but then all that were refused would come back for it.
            return TooMany(is_full=True, retry_after_s=service_class.deadline_s / 2 if wait_s is None else wait_s / 2)
        if wait_s is not None and wait_s > service_class.deadline_s:
            return TooMany(is_full=False, retry_after_s=wait_s - service_class.deadline_s)
        return None

    def _fill(self, now: float) -> list[Ticket]:
        admitted = []
        while self._waiting and self._in_flight < self._limit:
            ticket = self._turn()
            is_best = ticket.service_class.priority == min(self._waiting)
            self._num_better = self._num_better + 1 if is_best and len(self._waiting) > 1 else 0
            self._take(ticket, Place.IN_FLIGHT)
            self._in_flight += 1
            admitted.append(ticket)
        self._note(now)
        return admitted

    def _turn(self) -> Ticket:
        best = min(self._waiting)
        if self._num_better < SHARE - 1 or len(self._waiting) == 1:
            return next(iter(self._waiting[best].values()))
        heads = [next(iter(tickets.values())) for other, tickets in self._waiting.items() if other != best]
        return min(heads, key=lambda ticket: ticket.number)

    def _take(self, ticket: Ticket, place: Place) -> None:
        ticket.place = place
        priority = ticket.service_class.priority
        del self._waiting[priority][ticket.number]
        if not self._waiting[priority]:
            del self._waiting[priority]
        self._num_by_class[ticket.service_class.name] -= 1

    def _ticket(self, service_class: ServiceClass, deadline: float, place: Place, now: float) -> Ticket:
        self._taken.setdefault(service_class.priority, Rate(now)).count(now)
        self._next_number += 1
        return Ticket(self._next_number, service_class, deadline, place)

    def _note(self, now: float) -> None:
        self._released.note(now, is_full=self._in_flight >= self._limit)
