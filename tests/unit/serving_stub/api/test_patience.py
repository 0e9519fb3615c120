"""Limits on waits, in hundredths of a second."""

from __future__ import annotations

import asyncio

import pytest

from serving_stub.api.patience import Patience


async def test_a_wait_within_its_limit_passes() -> None:
    """Waits may follow each other for longer than any one of them may take."""
    async with Patience(0.05) as patience:
        for _ in range(8):
            await asyncio.sleep(0.02)
            patience.wait(0.05)


async def wait_too_long(first_s: float, pause_s: float) -> None:
    """A wait that may take a hundredth of a second and takes ten, after the client took *pause_s*."""
    async with Patience(first_s) as patience:
        patience.stop()
        await asyncio.sleep(pause_s)
        patience.wait(0.01)
        await asyncio.sleep(10)


@pytest.mark.parametrize("first_s", [30.0, 0.01], ids=["a longer first limit", "a timer that found nobody waiting"])
async def test_a_wait_beyond_its_limit_ends(first_s: float) -> None:
    """Whatever went before it."""
    with pytest.raises(TimeoutError):
        await wait_too_long(first_s, 0.03)


async def test_the_clients_time_does_not_count() -> None:
    """Nothing is ended between two waits."""
    async with Patience(0.02) as patience:
        patience.stop()
        await asyncio.sleep(0.06)
        patience.wait(5.0)
