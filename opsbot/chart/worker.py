"""Draws in a process of its own, so that the event loop goes on while a picture is made.

The process starts with the first picture (about a second), is kept for those that follow soon, and ends by itself
afterwards, or when its parent does: what it needs to draw takes 90 MB of memory, and to forecast 200 MB.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from anyio import BrokenWorkerProcess, CapacityLimiter, to_process

LIMIT_S = 30.0
"""For one picture, the start of the process included; what takes longer is killed."""
IDLE_S = 120
TRIES = 2
"""The process may have ended just when it was asked."""

A = TypeVarTuple("A")
T = TypeVar("T")

logger = logging.getLogger(__name__)


class Drawer:
    """One process at a time; who asks meanwhile waits."""

    def __init__(self, limit_s: float = LIMIT_S, idle_s: int = IDLE_S) -> None:
        self._limit_s = limit_s
        self._idle_s = idle_s
        self._room: CapacityLimiter | None = None

    async def drawn(self, draw: Callable[[*A], T], *arguments: *A) -> T | None:
        """What *draw*, a function of a module, makes of *arguments*; None if it fails, which is logged.

        Whatever is told with a picture is told without it then.
        """
        self._room = self._room or CapacityLimiter(1)
        for left in reversed(range(TRIES)):
            try:
                async with asyncio.timeout(self._limit_s):
                    return await to_process.run_sync(
                        _performed, self._idle_s, draw, *arguments, cancellable=True, limiter=self._room
                    )
            except TimeoutError:
                logger.error("no picture: drawing took longer than %g s", self._limit_s)
                return None
            except BrokenWorkerProcess:
                if not left:
                    logger.exception("no picture: the drawing process ended")
            except Exception:
                logger.exception("no picture: %s failed", draw.__module__)
                return None
        return None


def _performed(idle_s: int, draw: Callable[[*A], T], *arguments: *A) -> T:
    """In the process: draw, then end by the alarm's signal unless there is more to draw."""
    signal.alarm(0)
    try:
        return draw(*arguments)
    finally:
        signal.alarm(idle_s)
