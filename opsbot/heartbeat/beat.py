"""Calls the outside URL while the loop is whole, and says why when it does not.

Silence is the message: whatever goes wrong here, no beat is sent. The URL is a secret and is never logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

import httpx

from opsbot.clock import Clock
from opsbot.heartbeat.metrics import HeartbeatMetrics
from opsbot.heartbeat.parts import PARTS
from opsbot.yamlfile import format_duration

logger = logging.getLogger(__name__)

CALL_TIMEOUT_S = 10.0
AGAIN_AFTER_S = 5.0
"""After a look that found something, or a call that was not taken."""


class Loop(Protocol):
    """What is asked before each beat."""

    async def problems(self) -> Mapping[str, str]:
        """What does not work, and why, by part."""
        ...


class Heartbeat:
    """Runs inside core until cancelled.

    Args:
        every_s: seconds between two beats.
    """

    def __init__(
        self,
        loop: Loop,
        url: str,
        method: str,
        every_s: float,
        outside: httpx.AsyncClient,
        metrics: HeartbeatMetrics,
        clock: Clock,
    ) -> None:
        self._loop = loop
        self._url = url
        self._method = method.upper()
        self._every_s = every_s
        self._outside = outside
        self._metrics = metrics
        self._clock = clock
        self._problems: Mapping[str, str] | None = None
        self._call_problem: str | None = None
        self._beat_at: float | None = None

    def health(self) -> str:
        """One sentence for the health page."""
        if self._problems is None:
            return "not asked yet"
        if self._problems:
            return f"silent: {_sentence(self._problems)}"
        if self._call_problem is not None:
            return f"not heard: the outside URL {self._call_problem}"
        if self._beat_at is None:
            return "about to beat"
        return f"beating, last {format_duration(max(0, round(self._clock.now() - self._beat_at)))} ago"

    async def run(self) -> None:
        """Beat, until cancelled."""
        while True:
            try:
                is_well = await self.once()
            except Exception:
                # An error here must be silence outside, and must not end the beats for good.
                logger.exception("the heartbeat failed")
                is_well = False
            await asyncio.sleep(self._every_s if is_well else min(self._every_s, AGAIN_AFTER_S))

    async def once(self) -> bool:
        """Ask every part and call the URL if all of them work; answers whether the beat was taken."""
        problems = await self._loop.problems()
        self._metrics.asked(PARTS, problems)
        self._say(problems)
        if problems:
            return False
        failure = await self._call()
        self._metrics.called(is_taken=failure is None)
        if failure != self._call_problem:
            if failure is not None:
                logger.error("the heartbeat is not heard: the outside URL %s", failure)
            else:
                logger.info("the heartbeat is heard again")
        self._call_problem = failure
        if failure is None:
            self._beat_at = self._clock.now()
        return failure is None

    def _say(self, problems: Mapping[str, str]) -> None:
        # Which parts, not their sentences: those hold times that change at each look.
        before = None if self._problems is None else self._problems.keys()
        if problems and before != problems.keys():
            logger.error("the heartbeat is silent: %s", _sentence(problems))
        elif not problems and before is not None and len(before):
            logger.info("the heartbeat beats again")
        self._problems = dict(problems)

    async def _call(self) -> str | None:
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S), self._outside.stream(self._method, self._url) as answer:
                return None if answer.is_success else f"answers {answer.status_code}"
        except (httpx.HTTPError, TimeoutError, httpx.InvalidURL) as error:
            return f"does not answer ({type(error).__name__})"


def _sentence(problems: Mapping[str, str]) -> str:
    return "; ".join(f"{part}: {why}" for part, why in problems.items())
