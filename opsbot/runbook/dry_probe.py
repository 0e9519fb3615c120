"""The questions of a dry run: few at once, each for a short time, all together for a bounded one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from opsbot.clock import Clock
from opsbot.errors import SourceError

AT_ONCE = 8

T = TypeVar("T")


class Probes:
    """Asks servers and the metrics source.

    Args:
        each_s: longest time for one answer.
        all_s: longest time for all; what is asked later is not sent.
    """

    def __init__(self, clock: Clock, each_s: float = 5.0, all_s: float = 30.0) -> None:
        self._clock = clock
        self._each_s = each_s
        self._all_s = all_s
        self._until = clock.monotonic() + all_s
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Its answer.

        Raises: SourceError if none comes in time; whatever the question raises.
        """
        async with self._gate:
            left_s = self._until - self._clock.monotonic()
            if left_s <= 0:
                raise SourceError(f"not asked: the plan's {self._all_s:g} s for questions are over")
            try:
                async with asyncio.timeout(min(self._each_s, left_s)):
                    return await question()
            except TimeoutError as error:
                raise SourceError(f"no answer came within {min(self._each_s, left_s):.0f} s") from error
