"""Ridge and bound: below the ridge a step waits for memory, above it for arithmetic."""

from __future__ import annotations

import math

import pytest

from serving_stub.roofline.catalogue import load_catalogue
from serving_stub.roofline.roof import Device, arithmetic_intensity

H100 = load_catalogue().device("h100", "int8")


def test_the_talks_ridge_point() -> None:
    """An H100 at 8 bits does 591 operations in the time that one byte takes."""
    assert round(H100.ridge_point) == 591


@pytest.mark.parametrize("device", sorted(load_catalogue().devices))
def test_below_the_ridge_memory_bounds_and_above_it_compute(device: str) -> None:
    """On every device; and the longer of the two times is the step's."""
    known = load_catalogue().device(device, "bf16")
    below, above = math.nextafter(known.ridge_point, 0), math.nextafter(known.ridge_point, math.inf)
    assert (known.bound(below), known.bound(above)) == ("memory", "compute")
    num_bytes = 1e9
    assert known.step_s(0.5 * known.ridge_point * num_bytes, num_bytes) == num_bytes / known.bytes_per_s
    flops = 2 * known.ridge_point * num_bytes
    assert known.step_s(flops, num_bytes) == flops / known.flops_per_s > num_bytes / known.bytes_per_s


def test_intensity_of_nothing() -> None:
    """A step that moved nothing has none."""
    assert arithmetic_intensity(0, 0) == 0
    assert arithmetic_intensity(10, 5) == 2


def test_a_ridge_is_a_ratio() -> None:
    """Ten operations and two bytes a second."""
    assert Device("d", 10, 2, 1, None).ridge_point == 5
