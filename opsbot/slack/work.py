"""Work that goes on after Slack has its acknowledgement, kept track of so that stopping the bot loses none of it.

A listener acknowledges, hands its work here and returns: an exception right after an acknowledgement would take the
acknowledgement back, and Bolt does not wait for what runs after it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

logger = logging.getLogger(__name__)


class Work:
    """Tasks under way; exceptions are logged, since nobody awaits them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._tasks

    def start(self, what: str, work: Coroutine[object, object, None]) -> None:
        """Run *work* in the background; *what* names it in the log."""
        task = asyncio.create_task(work, name=what)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def finish(self, within_s: float) -> None:
        """Wait for everything under way, then cancel what is not done *within_s*."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(tuple(self._tasks), timeout=within_s)
        for task in late:
            logger.warning("%s is not done after %.0f s and is cancelled", task.get_name(), within_s)
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s failed", task.get_name(), exc_info=error)
