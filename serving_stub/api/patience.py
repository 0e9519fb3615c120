"""A limit on how long each wait for a peer may take, cheap enough to be set anew for every token.

`asyncio.timeout` makes a timer each time that it is moved; here there is one a request, looked at when it is due.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Patience:
    """Used as `async with`: raises TimeoutError when one wait takes longer than it may; begins with a first wait."""

    def __init__(self, first_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._until: float | None = self._loop.time() + first_s
        self._timeout = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, limit_s: float) -> None:
        """A wait begins, which may take so long."""
        self._until = self._loop.time() + limit_s
        if self._timer is None or self._timer.when() > self._until:
            self._look()

    def stop(self) -> None:
        """The wait is over; what follows is the client's time."""
        self._until = None

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._look()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, traceback)

    def _look(self) -> None:
        """End a wait that is over its limit, or come back when the present one would be."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._until is None:
            return
        if self._until <= self._loop.time():
            self._timeout.reschedule(self._loop.time())
        else:
            self._timer = self._loop.call_at(self._until, self._look)
