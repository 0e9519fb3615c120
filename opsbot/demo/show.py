"""How a demo runs, whatever its story: told on the display, reported, left open for a look, and cleared away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import httpx

from opsbot.demo.display import Display


class DemoBroken(Exception):
    """The story cannot go on; the message says why."""


class StoryBroken(DemoBroken):
    """Something that had to happen did not happen in time."""


async def show(
    display: Display,
    page_url: str,
    logs: str,
    tell: Callable[[], Awaitable[None]],
    close: Callable[[], Awaitable[None]],
    *,
    is_kept: bool,
    tables: Iterable[str] = (),
    more_logs: Callable[[], str] = lambda: "",
) -> int:
    """Run a demo; the exit status is 0 only if every check was seen.

    Args:
        logs: where they are.
        close: ends whatever was started.
        is_kept: leave everything running at the end until Ctrl-C.
        tables: printed when the story is over.
        more_logs: what to say of further ones, then.
    """
    failure = ""
    try:
        display.print(f"The page: {page_url}")
        display.print(f"The logs: {logs}")
        with display:
            try:
                await tell()
            except (DemoBroken, httpx.HTTPError) as error:
                failure = str(error) or repr(error)
        for table in tables:
            display.print(table)
        display.report(failure, f"The logs are in {logs}{more_logs()}")
        if is_kept and not failure:
            display.print("Everything is still running: look around, and press Ctrl-C to end.")
            await asyncio.Event().wait()
    except (KeyboardInterrupt, asyncio.CancelledError):
        display.print("Stopping.")
    finally:
        await close()
    return 1 if failure or display.missing() else 0
