"""Whether a role can do its work now, and if not, why: what `/readyz` answers.

Alive is not ready: a role that waits for its database answers `/healthz`. A neighbour that is away is a warning, since
each role does its own work without it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

STORE_LIMIT_S = 1.0
"""Less than a scraper waits, so that a store that hangs is told by `opsbot_ready` and not by silence."""
KEPT_S = 1.0
"""However often it is asked, a store is written at most once in this time."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What stands in the way, in whole sentences; `warnings` do not."""

    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_ready(self) -> bool:
        return not self.reasons


Ready = Callable[[], Awaitable[Readiness]]


async def always_ready() -> Readiness:
    """Of a role that has nothing to wait for."""
    return Readiness()


class WriteProbe:
    """Finds out whether a store takes writes, without ever waiting long or asking twice at a time.

    Args:
        write: writes to the store and changes nothing; called in a thread, raises what goes wrong.
        name: of the store, for the sentence.
    """

    def __init__(self, write: Callable[[], object], name: str, *, limit_s: float = STORE_LIMIT_S) -> None:
        self._write = write
        self._name = name
        self._limit_s = limit_s
        self._asking: asyncio.Task[str | None] | None = None
        self._known: tuple[float, str | None] | None = None

    async def problem(self) -> str | None:
        """Why it cannot be written, as a sentence; None if it can."""
        if self._known is not None and time.monotonic() - self._known[0] < KEPT_S:
            return self._known[1]
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        done, _ = await asyncio.wait({self._asking}, timeout=self._limit_s)
        if not done:
            return f"{self._name} has not taken a write for {self._limit_s:g} s: is its disk full, or another at it?"
        return self._asking.result()

    async def _ask(self) -> str | None:
        found = None
        try:
            await asyncio.to_thread(self._write)
        except Exception as error:
            # Whatever a driver raises: it is told, and asked again.
            found = (
                f"{self._name} cannot be written: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
            )
        self._known = (time.monotonic(), found)
        return found
