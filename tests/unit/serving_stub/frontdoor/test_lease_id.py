"""Lease ids sort by age and differ."""

from __future__ import annotations

from serving_stub.frontdoor.lease_id import new_lease_id


def test_ids_have_the_contracts_form() -> None:
    """An id of this age starts as in docs/serving.md."""
    assert new_lease_id(1_790_000_000.0).startswith("l-01")
    assert len(new_lease_id(1_790_000_000.0)) == 28


def test_ids_sort_by_age() -> None:
    """A later millisecond is a larger id."""
    assert new_lease_id(1_790_000_000.001) < new_lease_id(1_790_000_000.002)


def test_ids_of_one_moment_differ() -> None:
    """Two leases of the same millisecond have different ids."""
    assert len({new_lease_id(1.0) for _ in range(100)}) == 100
