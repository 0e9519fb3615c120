"""Any order of arrivals, ends, hang-ups, deadlines, limits: limit and bounds hold, nobody is lost, none starves."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serving_stub.engine.queue import SHARE
from serving_stub.frontdoor.admission_queue import AdmissionQueue, Place, Ticket, TooMany
from serving_stub.frontdoor.tenant import ServiceClass

CLASSES = [
    ServiceClass("paid", priority=0, queue_bound=4, deadline_s=30.0),
    ServiceClass("team", priority=0, queue_bound=2, deadline_s=5.0),
    ServiceClass("free", priority=5, queue_bound=3, deadline_s=20.0),
    ServiceClass("batch", priority=9, queue_bound=6, deadline_s=600.0),
]


class Waiting(RuleBasedStateMachine):
    """The queue beside a list of what became of everybody."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = AdmissionQueue(2, 0.0)
        self.now = 0.0
        self.tickets: list[Ticket] = []
        self.most_in_flight = 2
        self.passed_over: dict[Ticket, int] = {}

    @rule(service_class=st.sampled_from(CLASSES), num=st.integers(1, 3))
    def arrive(self, service_class: ServiceClass, num: int) -> None:
        for _ in range(num):
            self._expired(self.queue.expire(self.now))
            had_room = self.queue.num_in_flight < self.queue.limit
            answer = self.queue.arrive(service_class, self.now)
            if isinstance(answer, TooMany):
                assert answer.retry_after_s > 0
                assert not had_room
            else:
                assert answer.place is (Place.IN_FLIGHT if had_room else Place.WAITING)
                self.tickets.append(answer)

    @precondition(lambda self: self._at(Place.IN_FLIGHT))
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        self._expired(self.queue.expire(self.now))
        self._admitted(self.queue.release(data.draw(st.sampled_from(self._at(Place.IN_FLIGHT))), self.now))

    @precondition(lambda self: self.tickets)
    @rule(data=st.data())
    def hang_up(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(self.tickets))
        self._admitted(self.queue.leave(ticket, self.now))
        assert ticket.place in (Place.DONE, Place.EXPIRED)

    @rule(limit=st.integers(0, 5))
    def resize(self, limit: int) -> None:
        before = len(self._at(Place.IN_FLIGHT))
        self._admitted(self.queue.set_limit(limit, self.now))
        assert len(self._at(Place.IN_FLIGHT)) >= before, "nobody is cut off"
        self.most_in_flight = max(before, limit)

    @rule(seconds=st.floats(0.01, 30))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self._expired(self.queue.expire(self.now))

    @invariant()
    def holds(self) -> None:
        in_flight, waiting = self._at(Place.IN_FLIGHT), self._at(Place.WAITING)
        assert (self.queue.num_in_flight, self.queue.num_waiting) == (len(in_flight), len(waiting))
        # Once a smaller limit has been reached it is never passed again.
        self.most_in_flight = max(self.queue.limit, min(self.most_in_flight, len(in_flight)))
        assert len(in_flight) <= self.most_in_flight
        assert not waiting or len(in_flight) >= self.queue.limit, "nobody waits beside a free place"
        for one in CLASSES:
            num = sum(ticket.service_class is one for ticket in waiting)
            assert num == self.queue.num_waiting_of(one.name) <= one.queue_bound
        assert all(ticket.deadline > self.now for ticket in waiting)

    def teardown(self) -> None:
        """Whoever still waits is served as places come free."""
        self._admitted(self.queue.set_limit(1, self.now))
        for _ in range(len(self.tickets)):
            for ticket in self._at(Place.IN_FLIGHT):
                self._admitted(self.queue.release(ticket, self.now))
        assert not self._at(Place.IN_FLIGHT)
        assert not self._at(Place.WAITING)

    def _admitted(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            assert ticket.place is Place.IN_FLIGHT
            assert ticket.deadline > self.now, "nobody is served late"
            self.passed_over.pop(ticket, None)
            waiting = self._at(Place.WAITING)
            for other in waiting:
                if other.number < ticket.number or other.service_class.priority > ticket.service_class.priority:
                    self.passed_over[other] = self.passed_over.get(other, 0) + 1
                    # Everybody outside the best class who came before may take its turn of the SHARE-th places.
                    assert self.passed_over[other] <= SHARE * (1 + sum(one.queue_bound for one in CLASSES))
            same = [one for one in waiting if one.service_class.priority == ticket.service_class.priority]
            assert all(one.number > ticket.number or one in tickets for one in same), "first come, first served"

    def _expired(self, tickets: list[Ticket]) -> None:
        assert all(ticket.place is Place.EXPIRED and ticket.deadline <= self.now for ticket in tickets)

    def _at(self, place: Place) -> list[Ticket]:
        return [ticket for ticket in self.tickets if ticket.place is place]


TestWaiting = Waiting.TestCase
TestWaiting.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
