"""The record that a backend fills for the door."""

from __future__ import annotations

from serving_stub.frontdoor.served import Served, served_of


def test_the_doors_record_is_found() -> None:
    """A backend fills the very object that the door will read."""
    served = Served()
    assert served_of({"state": {"served": served}}) is served


def test_a_backend_without_a_door_fills_a_record_that_nobody_reads() -> None:
    """Backends run alone too: in their own tests and in benchmarks."""
    assert served_of({}) == Served()
    assert served_of({"state": {"served": "something else"}}) == Served()
