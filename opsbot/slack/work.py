"""Work that goes on after Slack has its acknowledgement, kept track of so that stopping the bot loses none of it.

A listener acknowledges, hands its work here and returns: an exception right after an acknowledgement would take the
acknowledgement back, and Bolt does not wait for what runs after it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

logger = logging.getLogger(__name__)

MOST_WATCHED = 50
"""Dialogs that are kept up to date at once; each asks the store twice a second for a while."""


class Work:
    """Tasks under way; exceptions are logged, since nobody awaits them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._watching: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._tasks

    def start(self, what: str, work: Coroutine[object, object, None]) -> None:
        """Run *work* in the background; *what* names it in the log."""
        task = asyncio.create_task(work, name=what)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def watch(self, what: str, work: Coroutine[object, object, None]) -> bool:
        """Run *work*, which only shows something for a while and is lost without harm; False if too much is shown."""
        if len(self._watching) >= MOST_WATCHED:
            work.close()
            return False
        task = asyncio.create_task(work, name=what)
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        task.add_done_callback(_log)
        return True

    async def finish(self, within_s: float) -> None:
        """Wait for everything under way, then cancel what is not done *within_s*; what only shows is cut at once."""
        for task in tuple(self._watching):
            task.cancel()
        if not self._tasks:
            return
        _, late = await asyncio.wait(tuple(self._tasks), timeout=within_s)
        for task in late:
            logger.warning("%s is not done after %.0f s and is cancelled", task.get_name(), within_s)
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        _log(task)


def _log(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("%s failed", task.get_name(), exc_info=error)
