"""Clients that hang up by the hundred leave nothing behind."""

from __future__ import annotations

import pytest

from bench.hang_ups import run

pytestmark = [pytest.mark.fault, pytest.mark.timeout(150)]


async def test_two_hundred_streams_with_random_hang_ups() -> None:
    """Every request is accounted for on both sides and every block is free; the long run is `bench/hang_ups.py`."""
    tally, ended, usage = await run("tiny", 200, 6.0, seed=3)
    assert set(tally.endings) == {"finished", "hung up"}
    assert min(tally.endings.values()) > 50
    assert ended == sum(tally.endings.values())
    assert usage == 0
