"""Several Prometheus servers as one: the first that answers is asked, in the order of the settings.

All questions of one check go to one server, for an answer put together from two would be nobody's.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from opsbot.clock import Clock
from opsbot.errors import SourceError
from opsbot.promql.syntax import QueryError
from opsbot.source.prometheus import PrometheusSource, Sample, SampleSeries, Verdict

AVOIDED_S = 10.0
"""So long the others are asked first when one did not answer."""

_T = TypeVar("_T")

logger = logging.getLogger(__name__)


class FirstHealthy:
    """Asks the first source that answers; raises the last one's SourceError if none does."""

    def __init__(self, sources: Sequence[PrometheusSource], clock: Clock) -> None:
        assert sources
        self._sources = sources
        self._clock = clock
        self._failed_at: dict[int, float] = {}

    async def query(self, text: str) -> tuple[Sample, ...]:
        """The elements that *text* yields now."""
        return await self._ask(lambda source: source.query(text))

    async def query_at(self, text: str, at_s: float) -> tuple[Sample, ...]:
        """The elements that *text* yielded at *at_s*, seconds since the epoch."""
        return await self._ask(lambda source: source.query_at(text, at_s))

    async def query_range(self, text: str, start_s: float, end_s: float, step_s: float) -> tuple[SampleSeries, ...]:
        """The series that *text* yields at each step from *start_s* to *end_s*."""
        return await self._ask(lambda source: source.query_range(text, start_s, end_s, step_s))

    async def value(self, text: str) -> float | None:
        """The only value that *text* yields; None if it yields none, or none that is a number."""
        return await self._ask(lambda source: source.value(text))

    async def check(self, text: str) -> Verdict:
        """Whether the condition *text* holds."""
        return await self._ask(lambda source: source.check(text))

    async def _ask(self, ask: Callable[[PrometheusSource], Awaitable[_T]]) -> _T:
        now = self._clock.monotonic()
        order = sorted(range(len(self._sources)), key=lambda index: (self._is_avoided(index, now), index))
        for index in order[:-1]:
            try:
                return await self._answered(index, ask)
            except QueryError:
                # What a server refuses the next one would refuse too.
                raise
            except SourceError as error:
                logger.warning("%s; asking the next Prometheus", error)
        return await self._answered(order[-1], ask)

    async def _answered(self, index: int, ask: Callable[[PrometheusSource], Awaitable[_T]]) -> _T:
        try:
            answer = await ask(self._sources[index])
        except QueryError:
            raise
        except SourceError:
            self._failed_at[index] = self._clock.monotonic()
            raise
        self._failed_at.pop(index, None)
        return answer

    def _is_avoided(self, index: int, now: float) -> bool:
        failed_at = self._failed_at.get(index)
        return failed_at is not None and now - failed_at < AVOIDED_S
