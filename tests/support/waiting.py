"""Waiting for something that another thread or process does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

LIMIT_S = 10.0
PAUSE_S = 0.01


async def until(is_so: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    """Wait on the event loop until *is_so*, or fail."""
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end, f"it did not happen within {limit_s} s"
        await asyncio.sleep(PAUSE_S)


def until_sync(is_so: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    """Wait outside of an event loop until *is_so*, or fail."""
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end, f"it did not happen within {limit_s} s"
        time.sleep(PAUSE_S)
