"""Two writers on one knob: who must look first, who may not write, and what never counts as a second write."""

from __future__ import annotations

import pytest

from serving_stub.errors import LeaseError, RevisionMismatch, TooManyLeases
from serving_stub.frontdoor.book import MAX_NUM_IN_FORCE, LeaseBook
from serving_stub.frontdoor.lease import Counted, Ended, EndReason, Granted, Lease
from tests.support.serving_leases import EMPTY, lease_request


def leased(owner: str = "run:1", key: str = "first") -> LeaseBook:
    """A book with one lease, `a`."""
    event = EMPTY.grant(lease_request(8, owner=owner, key=key), "a", 0.0)
    assert isinstance(event, Granted)
    return EMPTY.apply(event)


def test_every_change_makes_another_revision() -> None:
    """Also one that leads back to the same leases."""
    book = leased()
    seen = [EMPTY.revision("batch_limit"), book.revision("batch_limit")]
    for event in (book.renew("a", 60.0, 1.0), Ended("a", 2.0, EndReason.RELEASED)):
        book = book.apply(event)
        seen.append(book.revision("batch_limit"))
    assert len(set(seen)) == 4


def test_the_first_writer_needs_no_revision() -> None:
    """Nobody else is there."""
    assert isinstance(EMPTY.grant(lease_request(8), "a", 0.0), Granted)


def test_the_same_owner_needs_no_revision() -> None:
    """It knows what it did itself."""
    assert isinstance(leased().grant(lease_request(4), "b", 0.0), Granted)


def test_another_owner_must_look_first() -> None:
    """The message says who is there and how to go on."""
    with pytest.raises(RevisionMismatch, match=r"leased by run:1, revision 1: look .* If-Match .* stack: true") as told:
        leased().grant(lease_request(4, owner="run:2"), "b", 0.0)
    assert told.value.knob == "batch_limit"


def test_another_owner_who_has_looked_may_write() -> None:
    """The revision of now, one of several, or any."""
    for named in ({"1"}, {"0", "1"}, {"*"}):
        assert isinstance(leased().grant(lease_request(4, owner="run:2"), "b", 0.0, if_match=named), Granted)


def test_another_owner_may_stack() -> None:
    """Both settings stay in force: the fold decides."""
    granted = leased().grant(lease_request(12, owner="run:2"), "b", 0.0, stack=True)
    assert isinstance(granted, Granted)
    assert leased().apply(granted).in_force("batch_limit").value == 8


def test_when_the_others_have_ended_nobody_must_look() -> None:
    """What is over is in nobody's way."""
    book = leased().apply(Ended("a", 1.0, EndReason.EXPIRED))
    assert isinstance(book.grant(lease_request(4, owner="run:2"), "b", 2.0), Granted)


def test_a_stale_revision_is_refused_whoever_asks_and_whatever() -> None:
    """Grant, renewal and release; an empty list of revisions matches none."""
    book = leased()
    for operation in (
        lambda: book.grant(lease_request(4), "b", 0.0, if_match={"0"}),
        lambda: book.grant(lease_request(4), "b", 0.0, if_match={"0"}, stack=True),
        lambda: book.grant(lease_request(4), "b", 0.0, if_match=()),
        lambda: book.renew("a", 60.0, 1.0, if_match={"0"}),
        lambda: book.release("a", 1.0, if_match={"0"}),
    ):
        with pytest.raises(RevisionMismatch, match="batch_limit is at revision 1, not "):
            operation()


def test_a_repeated_key_is_no_second_write() -> None:
    """A retry after a lost answer finds its lease, although the revision has moved on with it."""
    request = lease_request(8, key="first")
    again = leased().grant(request, "b", 5.0, if_match={"0"})
    assert isinstance(again, Lease)
    assert again.lease_id == "a"


def test_the_count_of_changes_is_kept() -> None:
    """A compacted journal has one event a lease and ends with the true count."""
    assert leased().apply(Counted({"batch_limit": 7})).revision("batch_limit") == "7"


def test_a_knob_has_no_end_of_leases() -> None:
    """A client gone wild cannot fill the memory."""
    book: LeaseBook = EMPTY
    for number in range(MAX_NUM_IN_FORCE):
        event = EMPTY.grant(lease_request(8), f"l-{number}", 0.0)
        assert isinstance(event, Granted)
        book = LeaseBook(book.knobs, {**book.leases, event.lease.lease_id: event.lease})
    with pytest.raises(TooManyLeases, match="batch_limit has 1000 leases"):
        book.grant(lease_request(8), "one more", 0.0)
    assert issubclass(TooManyLeases, LeaseError)
