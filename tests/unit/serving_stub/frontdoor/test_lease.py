"""Leases as values: the fold, what is granted and refused, and what any history leaves in force."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_stub.errors import IdempotencyKeyReused, LeaseEnded, LeaseNotFound, UnknownKnob, ValueOutOfRange
from serving_stub.frontdoor.book import LeaseBook
from serving_stub.frontdoor.fold import InForce, Layer, fold_number
from serving_stub.frontdoor.lease import Ended, EndReason, Granted, Lease, LeaseState, Renewed
from tests.support.serving_leases import EMPTY, KNOB, lease_request


def granted(book: LeaseBook, lease_id: str, value: int, *, now: float = 0.0, ttl_s: float = 60.0) -> LeaseBook:
    """The book with one more live lease."""
    event = book.grant(lease_request(value, ttl_s=ttl_s, key=lease_id), lease_id, now)
    assert isinstance(event, Granted)
    return book.apply(event)


def test_without_leases_the_base_is_in_force() -> None:
    """A knob that nobody leases has its base value."""
    assert EMPTY.in_force("batch_limit") == InForce(32, "finish")


def test_the_smallest_lease_is_in_force() -> None:
    """Of several live leases the smallest counts, whatever their order."""
    book = granted(granted(granted(EMPTY, "a", 12), "b", 4), "c", 20)
    assert book.in_force("batch_limit").value == 4


def test_an_older_lease_that_ends_restores_nothing() -> None:
    """When the older of two leases ends, the younger one's value stays in force."""
    book = granted(granted(EMPTY, "old", 4), "young", 8)
    assert book.apply(Ended("old", 1.0, EndReason.EXPIRED)).in_force("batch_limit").value == 8


def test_a_larger_mode_does_not_leak() -> None:
    """Only a lease of the value in force decides how it is reached."""
    layers = [Layer(8, 1.0, "a", "preempt"), Layer(4, 1.0, "b", "finish")]
    assert fold_number(KNOB, layers) == InForce(4, "finish")
    assert fold_number(KNOB, [*layers, Layer(4, 1.0, "c", "preempt")]) == InForce(4, "preempt")


def test_a_base_below_the_lease_wins() -> None:
    """A lease from a time of larger batches does not raise a server that now has a smaller base."""
    assert fold_number(replace(KNOB, base=4), [Layer(8, 1.0, "a")]).value == 4


def test_a_grant_remembers_what_was_in_force() -> None:
    """A lease says what was in force just before it."""
    assert granted(granted(EMPTY, "a", 12), "b", 8).get("b").in_force_before == 12


def test_the_same_key_and_content_is_the_same_lease() -> None:
    """A repeated request answers the first lease."""
    request = lease_request(8)
    first = EMPTY.grant(request, "a", 0.0)
    assert isinstance(first, Granted)
    assert EMPTY.apply(first).grant(request, "b", 5.0) == first.lease


def test_the_same_key_finds_an_ended_lease() -> None:
    """A repeated request never brings an ended lease back to life."""
    request = lease_request(8)
    first = EMPTY.grant(request, "a", 0.0)
    assert isinstance(first, Granted)
    again = EMPTY.apply(first).apply(Ended("a", 1.0, EndReason.RELEASED)).grant(request, "b", 5.0)
    assert isinstance(again, Lease)
    assert again.state is LeaseState.ENDED


def test_a_reused_key_with_other_content_is_refused() -> None:
    """One key means one content."""
    book = granted(EMPTY, "a", 8)
    with pytest.raises(IdempotencyKeyReused, match="belongs to lease a"):
        book.grant(lease_request(9, key="a"), "b", 0.0)


@pytest.mark.parametrize("value", [0, -1, 33])
def test_a_value_outside_the_range_is_refused(value: int) -> None:
    """The message names the knob, the value and the range."""
    with pytest.raises(ValueOutOfRange, match=f"batch_limit is {value}, expected an integer from 1 to 32"):
        EMPTY.grant(lease_request(value), "a", 0.0)


def test_an_unknown_knob_is_refused() -> None:
    """The message names the knobs there are."""
    with pytest.raises(UnknownKnob, match="'brightness', expected one of: batch_limit"):
        EMPTY.grant(replace(lease_request(), knob="brightness"), "a", 0.0)


def test_renewal_moves_the_expiry_from_now() -> None:
    """A renewal counts from the time it is asked, not from the old expiry."""
    assert granted(EMPTY, "a", 8).renew("a", 30.0, 50.0) == Renewed("a", 80.0, 50.0)


def test_an_ended_lease_cannot_be_renewed() -> None:
    """The message says how it ended."""
    book = granted(EMPTY, "a", 8).apply(Ended("a", 1.0, EndReason.EXPIRED))
    with pytest.raises(LeaseEnded, match="has expired"):
        book.renew("a", 60.0, 2.0)


def test_releasing_twice_changes_nothing() -> None:
    """The second release of a lease decides nothing."""
    book = granted(EMPTY, "a", 8).apply(Ended("a", 1.0, EndReason.EXPIRED))
    assert book.release("a", 2.0) is None


def test_an_unknown_lease_is_not_found() -> None:
    """A lease that was never granted cannot be renewed or released."""
    with pytest.raises(LeaseNotFound, match="'nope'"):
        EMPTY.release("nope", 0.0)
    with pytest.raises(LeaseNotFound, match="'nope'"):
        EMPTY.renew("nope", 60.0, 0.0)


def test_a_lease_is_due_at_its_expiry() -> None:
    """A lease lives until its expiry and not at it."""
    book = granted(EMPTY, "a", 8, ttl_s=60.0)
    assert book.due(59.999) == ()
    assert book.due(60.0) == (Ended("a", 60.0, EndReason.EXPIRED),)


def test_old_ends_are_forgotten_and_live_leases_never() -> None:
    """A day after its end a lease is forgotten; a live one is kept whatever its age."""
    book = granted(granted(EMPTY, "live", 8, ttl_s=1e9), "dead", 9).apply(Ended("dead", 1.0, EndReason.RELEASED))
    assert set(book.forget(1000.0).leases) == {"live", "dead"}
    assert set(book.forget(100_000.0).leases) == {"live"}


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["grant", "renew", "release", "expire"]), st.integers(1, 32), st.integers(0, 7)),
    max_size=40,
)


@given(OPERATIONS)
def test_any_history_leaves_the_fold_in_force(operations: list[tuple[str, int, int]]) -> None:
    """After every operation of any history the value in force is the smallest of the base and what still lives."""
    book, alive, now = EMPTY, dict[str, tuple[int, float]](), 0.0
    for number, (operation, value, which) in enumerate(operations):
        now += 1.0
        names = sorted(alive)
        if operation == "grant":
            book = granted(book, f"l{number:03}", value, now=now, ttl_s=float(5 * which + 5))
            alive[f"l{number:03}"] = (value, now + 5 * which + 5)
        elif operation == "expire":
            now += 5.0 * which
            book = book.apply_all(book.due(now))
            alive = {name: one for name, one in alive.items() if one[1] > now}
        elif names:
            name = names[which % len(names)]
            if operation == "renew":
                book = book.apply(book.renew(name, 20.0, now))
                alive[name] = (alive[name][0], now + 20.0)
            else:
                ended = book.release(name, now)
                assert ended is not None
                book = book.apply(ended)
                del alive[name]
        assert {lease.lease_id for lease in book.standing()} == set(alive)
        assert book.in_force("batch_limit").value == min([32, *(one[0] for one in alive.values())])


@given(st.lists(st.integers(1, 32), min_size=2, max_size=8), st.data())
def test_an_end_never_restores_a_value_under_a_younger_lease(values: list[int], data: st.DataObject) -> None:
    """Whichever lease ends, the value in force stays at or below every lease that still lives."""
    book = EMPTY
    for number, value in enumerate(values):
        book = granted(book, f"l{number}", value)
    for name in data.draw(st.permutations([f"l{number}" for number in range(len(values))])):
        book = book.apply(Ended(name, 1.0, EndReason.EXPIRED))
        assert all(book.in_force("batch_limit").value <= layer.value for layer in book.layers("batch_limit"))
    assert book.in_force("batch_limit").value == 32
