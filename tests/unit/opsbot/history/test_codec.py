"""Samples as bytes."""

from __future__ import annotations

import numpy as np
import pytest

from opsbot.history.codec import DamagedError, packed, unpacked


def test_a_counter_takes_a_byte_a_sample_or_less() -> None:
    """An hour of a counter that grows by 37 each step is a few bytes in all."""
    values = (1_000_000 + 37 * np.arange(360.0)).reshape(1, -1)
    assert len(packed(values)) < 60


@pytest.mark.parametrize("cut", [1, 10, -1])
def test_bytes_that_were_cut_or_changed_are_noticed(cut: int) -> None:
    """Nothing is read from them."""
    data = packed(np.random.default_rng(1).random((3, 20)))
    for damaged in (data[:cut], data[:cut] + bytes([data[cut] ^ 1]) + data[cut:][1:]):
        with pytest.raises(DamagedError):
            unpacked(damaged, 3, 20)


def test_no_more_is_unpacked_than_was_asked_for() -> None:
    """A file that claims fewer samples than a chunk has is damaged, whatever the chunk grows to."""
    with pytest.raises(DamagedError):
        unpacked(packed(np.zeros((1000, 1000))), 1, 1)
