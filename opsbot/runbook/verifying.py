"""Watches a step's condition until it has held for long enough, or time is up.

Missing data breaks the streak and is told apart from a condition that does not hold.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from opsbot.clock import Clock
from opsbot.errors import SourceError
from opsbot.runbook.model import Verify
from opsbot.runbook.performing import Sleep
from opsbot.runbook.probe import Prober, Verdict

logger = logging.getLogger(__name__)

Verification = Literal["verified", "not_verified", "unknown", "interrupted"]


async def watch(
    verify: Verify,
    exprs: Sequence[str],
    prober: Prober,
    clock: Clock,
    until: float,
    is_interrupted: Callable[[], Awaitable[bool]],
    poll_s: float = 1.0,
    sleep: Sleep = asyncio.sleep,
) -> Verification:
    """Ask once every *poll_s* until all *exprs* have held, *until* (seconds since the epoch) or an interruption.

    Answers "unknown" when the last answers were missing data: then nothing is known of the step's effect.
    """
    holds_since: float | None = None
    while True:
        if await is_interrupted():
            return "interrupted"
        verdict = await _ask_all(prober, exprs)
        if verdict != "holds":
            holds_since = None
        elif holds_since is None:
            holds_since = clock.monotonic()
        if holds_since is not None and clock.monotonic() - holds_since >= verify.for_s:
            return "verified"
        if clock.now() >= until:
            return "unknown" if verdict == "unknown" else "not_verified"
        await sleep(min(poll_s, max(0.05, until - clock.now())))


async def _ask_all(prober: Prober, exprs: Sequence[str]) -> Verdict:
    """One that fails is worth more than one that is not known: it is what can be acted on."""
    verdicts = {await _ask(prober, expr) for expr in exprs}
    return "fails" if "fails" in verdicts else "unknown" if "unknown" in verdicts else "holds"


async def _ask(prober: Prober, expr: str) -> Verdict:
    try:
        return await prober.check(expr)
    except SourceError as error:
        logger.warning("a verification cannot see: %s", error)
        return "unknown"
