"""The waiting queue: order, bound, deadline, and what it expects the wait to be."""

from __future__ import annotations

import pytest

from serving_stub.engine.queue import SHARE
from serving_stub.frontdoor.admission_queue import AdmissionQueue, Place, Ticket, TooMany
from serving_stub.frontdoor.tenant import ServiceClass

PAID = ServiceClass("paid", priority=0, queue_bound=1000, deadline_s=10.0)
FREE = ServiceClass("free", priority=10, queue_bound=1000, deadline_s=10.0)


def arrive(queue: AdmissionQueue, service_class: ServiceClass = PAID, now: float = 0.0) -> Ticket:
    """Somebody who is let in or waits."""
    ticket = queue.arrive(service_class, now)
    assert isinstance(ticket, Ticket)
    return ticket


def refused(queue: AdmissionQueue, service_class: ServiceClass = PAID, now: float = 0.0) -> TooMany:
    """Somebody who is neither."""
    too_many = queue.arrive(service_class, now)
    assert isinstance(too_many, TooMany)
    return too_many


def busy(rate: float) -> tuple[AdmissionQueue, Ticket]:
    """A queue of limit 1 that has released *rate* requests a second for a long while, at time 100, now serving one."""
    queue = AdmissionQueue(1, 0.0)
    number = 0
    while number < 100 * rate:
        queue.release(arrive(queue, PAID, number / rate), (number + 1) / rate)
        number += 1
    return queue, arrive(queue, PAID, 100.0)


def test_at_most_the_limit_in_flight() -> None:
    """The third waits, and gets the place that the first gives back."""
    queue = AdmissionQueue(2, 0.0)
    first, second, third = (arrive(queue) for _ in range(3))
    assert [one.place for one in (first, second, third)] == [Place.IN_FLIGHT, Place.IN_FLIGHT, Place.WAITING]
    assert queue.release(first, 1.0) == [third]
    assert (queue.num_in_flight, queue.num_waiting) == (2, 0)


def test_a_place_is_given_back_once() -> None:
    """A second release of the same ticket frees nothing."""
    queue = AdmissionQueue(1, 0.0)
    first = arrive(queue)
    second, third = arrive(queue), arrive(queue)
    assert queue.release(first, 1.0) == [second]
    assert queue.release(first, 1.0) == []
    assert (third.place, queue.num_in_flight) == (Place.WAITING, 1)


def test_the_better_class_goes_first() -> None:
    """First come first within a class."""
    queue = AdmissionQueue(1, 0.0)
    running = arrive(queue)
    free, paid, later = arrive(queue, FREE), arrive(queue, PAID), arrive(queue, PAID)
    order = []
    for _ in range(3):
        (running,) = queue.release(running, 1.0)
        order.append(running)
    assert order == [paid, later, free]


def test_no_class_starves() -> None:
    """Under a flood of the best class every SHARE-th place is somebody else's."""
    queue = AdmissionQueue(1, 0.0)
    running = arrive(queue)
    free = [arrive(queue, FREE) for _ in range(2)]
    order = []
    for _ in range(2 * SHARE):
        arrive(queue, PAID)
        (running,) = queue.release(running, 0.0)
        order.append(running)
    assert [order.index(one) + 1 for one in free] == [SHARE, 2 * SHARE]


def test_the_bound_of_a_class() -> None:
    """One class that is full leaves the other's places alone."""
    queue = AdmissionQueue(1, 0.0)
    arrive(queue)
    small = ServiceClass("small", priority=0, queue_bound=1)
    arrive(queue, small)
    assert refused(queue, small).is_full
    arrive(queue, FREE)


def test_a_class_without_a_queue() -> None:
    """Bound 0: served at once or refused."""
    queue = AdmissionQueue(1, 0.0)
    impatient = ServiceClass("impatient", queue_bound=0)
    running = arrive(queue, impatient)
    assert refused(queue, impatient).is_full
    queue.release(running, 1.0)
    arrive(queue, impatient)


def test_who_has_waited_too_long_is_refused_and_not_served() -> None:
    """At the deadline the ticket is out of the queue, and the next in it gets the place."""
    queue = AdmissionQueue(1, 0.0)
    running = arrive(queue)
    late, next_one = arrive(queue, PAID, 0.0), arrive(queue, PAID, 5.0)
    assert queue.expire(9.9) == []
    assert queue.expire(10.0) == [late]
    assert late.place is Place.EXPIRED
    assert queue.release(running, 10.0) == [next_one]


def test_who_hangs_up_leaves_at_once() -> None:
    """From the queue or from service."""
    queue = AdmissionQueue(1, 0.0)
    running, waiting, last = arrive(queue), arrive(queue), arrive(queue)
    assert queue.leave(waiting, 1.0) == []
    assert queue.num_waiting_of("paid") == 1
    assert queue.leave(running, 1.0) == [last]
    assert queue.expire(99.0) == []


def test_a_smaller_limit_cuts_nobody_off() -> None:
    """Those in flight stay; nobody is let in until there are few enough; a larger limit lets in at once."""
    queue = AdmissionQueue(3, 0.0)
    running = [arrive(queue) for _ in range(3)]
    waiting = [arrive(queue) for _ in range(2)]
    assert queue.set_limit(1, 1.0) == []
    assert queue.num_in_flight == 3
    assert queue.release(running[0], 2.0) == []
    assert queue.release(running[1], 2.0) == []
    assert queue.set_limit(3, 3.0) == waiting


def test_a_limit_of_nothing() -> None:
    """All wait until there is one."""
    queue = AdmissionQueue(0, 0.0)
    waiting = arrive(queue)
    assert queue.set_limit(1, 1.0) == [waiting]


@pytest.mark.parametrize(("rate", "num_taken"), [(1.0, 10), (5.0, 50)])
def test_what_cannot_be_served_in_time_is_refused_at_once(rate: float, num_taken: int) -> None:
    """With a deadline of 10 s, ten seconds' worth of releases are taken, within a tenth, and the next is refused."""
    queue, _ = busy(rate)
    taken = 0
    while isinstance(answer := queue.arrive(PAID, 100.0), Ticket):
        taken += 1
    assert not answer.is_full
    assert 0 < answer.retry_after_s < 1.5 / rate
    assert taken == pytest.approx(num_taken, rel=0.1)


def test_nobody_is_refused_on_a_guess() -> None:
    """A burst onto a fresh server waits up to the bound: nothing is known of its speed."""
    queue = AdmissionQueue(1, 0.0)
    for _ in range(500):
        arrive(queue)
    assert queue.expected_wait_s(PAID, 0.0) is None


def test_an_idle_night_is_no_slow_server() -> None:
    """The rate is of the time in which every place was taken."""
    queue, running = busy(5.0)
    queue.release(running, 100.2)
    arrive(queue, PAID, 10_000.0)
    wait_s = queue.expected_wait_s(PAID, 10_000.0)
    assert wait_s == pytest.approx(0.2, rel=0.1)


def test_a_server_that_has_stopped_is_expected_to_be_slow() -> None:
    """A minute without a release speaks louder than the rate before."""
    queue, _ = busy(5.0)
    wait_s = queue.expected_wait_s(PAID, 160.0)
    assert wait_s is not None
    assert wait_s > 5.0


def test_a_worse_class_expects_its_share() -> None:
    """Two hundred better ones wait at five releases a second: every SHARE-th place is near nevertheless."""
    queue, _ = busy(5.0)
    patient = ServiceClass("patient", priority=0, queue_bound=1000, deadline_s=1000.0)
    for _ in range(200):
        arrive(queue, patient, 100.0)
    assert queue.expected_wait_s(patient, 100.0) == pytest.approx(40, rel=0.1)
    assert queue.expected_wait_s(FREE, 100.0) == pytest.approx(SHARE / 5, rel=0.1)
