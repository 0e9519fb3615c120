"""Generations in flight: counted, so that a server that stops can let them finish for a while and then end them.

Each one watches three things at once: its own work, its client, and the server's stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from enum import Enum, auto

from starlette.types import Receive


class Ending(Enum):
    """How a piece of work came to its end."""

    DONE = auto()
    CLIENT_GONE = auto()
    STOPPED = auto()


class InFlight:
    """All generations of one server; used on the event loop only."""

    def __init__(self) -> None:
        self._num = 0
        self._is_closed = False
        self._stop = asyncio.Event()
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    @property
    def is_closed(self) -> bool:
        """Whether no new generation is taken."""
        return self._is_closed

    def close(self) -> None:
        """Take no new generations."""
        self._is_closed = True

    def stop(self) -> None:
        """End those that are still there."""
        self.close()
        self._stop.set()

    async def wait_empty(self, timeout_s: float) -> bool:
        """Whether all have ended within *timeout_s*."""
        try:
            await asyncio.wait_for(self._is_empty.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count one generation."""
        self._num += 1
        self._is_empty.clear()
        try:
            yield
        finally:
            self._num -= 1
            if self._num == 0:
                self._is_empty.set()

    async def watch(self, work: Coroutine[object, object, None], receive: Receive) -> Ending:
        """Run *work* until it is done, its client leaves or the server stops; in the last two cases it is cancelled.

        Raises: what *work* raised.
        """
        working = asyncio.create_task(work)
        watchers = (asyncio.create_task(_until_gone(receive)), asyncio.create_task(self._stop.wait()))
        try:
            await asyncio.wait({working, *watchers}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                await working
                return Ending.DONE
            return Ending.CLIENT_GONE if watchers[0].done() else Ending.STOPPED
        finally:
            await _end(working, *watchers)


async def _until_gone(receive: Callable[[], Awaitable[object]]) -> None:
    while True:
        message = await receive()
        if isinstance(message, dict) and message["type"] == "http.disconnect":
            return


async def _end(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
