"""Asks once for all who ask at the same time, and remembers the answer for a few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from opsbot.clock import Clock

T = TypeVar("T")


class Remembered(Generic[T]):
    """One value that costs something to ask for."""

    def __init__(self, ask: Callable[[], Awaitable[T]], kept_s: float, clock: Clock) -> None:
        self._ask = ask
        self._kept_s = kept_s
        self._clock = clock
        self._asking: asyncio.Task[T] | None = None
        self._known: tuple[float, T] | None = None

    async def get(self) -> T:
        """The value, at most *kept_s* old. Whoever is cancelled leaves the others waiting."""
        if self._known is not None and self._clock.monotonic() - self._known[0] < self._kept_s:
            return self._known[1]
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._once())
        return await asyncio.shield(self._asking)

    async def _once(self) -> T:
        value = await self._ask()
        self._known = (self._clock.monotonic(), value)
        return value
