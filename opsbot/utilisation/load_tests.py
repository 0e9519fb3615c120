"""Keeps load tests: follows open ones, says so in the incidents of their cluster, and closes what nobody closes.

A load test is made by a run of this bot (`loadtest.run`), or announced by somebody who runs it elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol
from zoneinfo import ZoneInfo

from opsbot.clock import Clock
from opsbot.errors import NotFoundError, OpsbotError
from opsbot.incident.handle import digits_of
from opsbot.utilisation.expected import expected_of
from opsbot.utilisation.load_test import Closing, Counts, Expected, LoadTest, Measured, Size, greater
from opsbot.utilisation.load_test_words import remark, warning
from opsbot.vitals.day import Load
from opsbot.vitals.vitals import Fleet

logger = logging.getLogger(__name__)

LOOK_AT_LOAD_S = 10.0
SHOW_EVERY_S = 30.0
"""Of its message while it is open: two edits a minute are followed well, and cost the others nothing."""
EXPECT_WITHIN_S = 10.0


class LoadTestStore(Protocol):
    """The durable side; called in threads. Raises StoreError; NotFoundError for a number that is none."""

    def open(self, test: LoadTest) -> LoadTest: ...

    def test(self, number: int) -> LoadTest: ...

    def open_tests(self) -> Sequence[LoadTest]: ...

    def newest(self, limit: int) -> Sequence[LoadTest]: ...

    def change(self, number: int, change: Callable[[LoadTest], LoadTest], *, is_shown: bool = True) -> LoadTest: ...


class Around(Protocol):
    """What else of the bot a load test has to do with. Raises OpsbotError."""

    async def requester(self, run_id: str) -> tuple[str, str]:
        """Who asked for a run, and through which door."""
        ...

    async def is_over(self, run_id: str) -> bool:
        """Whether a run makes no further step."""
        ...

    async def end(self, run_id: str, why: str) -> None:
        """Cancel a run; whether it is over already does not matter."""
        ...

    async def warn(self, test: LoadTest, text: str) -> None:
        """Say *text* once where whoever is on call reads it, so that whoever runs the test is called by name."""
        ...

    async def remark(self, test: LoadTest, text: str) -> None:
        """Say *text* once in every open incident of the test's cluster that began after it."""
        ...


class LoadTests:
    """Load tests of all clusters.

    Args:
        load: what a cluster carries and can; raises SourceError.
        fleet: every cluster now.
        wake: has what changed told at once.
    """

    def __init__(
        self,
        store: LoadTestStore,
        load: Callable[[str], Awaitable[Load | None]],
        fleet: Callable[[], Awaitable[Fleet]],
        around: Around,
        zone: ZoneInfo,
        grace_s: float,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._store, self._load, self._fleet, self._around = store, load, fleet, around
        self._zone, self._grace_s, self._clock, self._wake = zone, grace_s, clock, wake
        self._counts: dict[int, Counts] = {}
        self._looked_at: float | None = None
        self._shown_at: dict[int, float] = {}

    # -- announced

    async def expect(self, cluster: str, size: Size, words: str = "") -> Expected:
        """What it will do, by capacity's arithmetic; nothing where the numbers do not come in time."""
        try:
            async with asyncio.timeout(EXPECT_WITHIN_S):
                load = await self._load(cluster)
        except (OpsbotError, TimeoutError) as error:
            logger.info("what %s carries is not known for a load test: %s", cluster, error or type(error).__name__)
            load = None
        return expected_of(size, load, words)

    async def announce(
        self,
        cluster: str,
        size: Size,
        expected: Expected,
        length_s: float,
        request_id: str,
        by: str,
        via: str,
        reason: str = "",
        run_id: str | None = None,
    ) -> LoadTest:
        """Announce one; the same request again is the same one. Raises InvalidTransition if the cluster has one."""
        now = self._clock.now()
        made = LoadTest(
            0, request_id, cluster, size, expected, by, via, now, now + length_s, self._grace_s, reason, run_id
        )  # fmt: skip
        test = await asyncio.to_thread(self._store.open, made)
        self._wake()
        return test

    async def announce_run(self, cluster: str, size: Size, length_s: float, run_id: str, words: str) -> LoadTest:
        """Announce one that a run makes."""
        by, via = await self._around.requester(run_id)
        expected = await self.expect(cluster, size, words)
        return await self.announce(
            cluster, size, expected, length_s, f"run:{digits_of(run_id)}", by, via, run_id=run_id
        )

    def count(self, number: int, counts: Counts) -> None:
        """What its load generator counts by now; from the event loop."""
        self._counts[number] = counts

    # -- over

    async def close(
        self, number: int, how: Closing, by: str | None = None, said: str = "", counts: Counts | None = None
    ) -> LoadTest:
        """Close it; one that is closed stays as it is."""
        now, last = self._clock.now(), counts or self._counts.pop(number, None)

        def closed(test: LoadTest) -> LoadTest:
            return replace(
                test, state="closed", how=how, closed_by=by, closed_at=now, said=said, counts=last or test.counts
            )

        test = await asyncio.to_thread(self._store.change, number, closed)
        self._counts.pop(number, None)
        self._shown_at.pop(number, None)
        if test.run_id is None and test.how in ("stopped", "forgotten"):
            await self._around.warn(test, warning(test))
        self._wake()
        return test

    async def stop(self, number: int, by: str) -> LoadTest:
        """End it, and the run that makes it."""
        test = await asyncio.to_thread(self._store.test, number)
        if test.is_open and test.run_id is not None:
            await self._around.end(test.run_id, f"load test {number} was stopped by {by}")
        return await self.close(number, "stopped", by)

    # -- under way

    async def tend(self) -> None:
        """Look after open tests: read what their clusters show, remark on them, and close what is over."""
        tests = await asyncio.to_thread(self._store.open_tests)
        if not tests:
            return
        at = self._clock.monotonic()
        fleet = None
        if self._looked_at is None or at - self._looked_at >= LOOK_AT_LOAD_S:
            self._looked_at = at
            fleet = await self._fleet()
        for test in tests:
            try:
                await self._tend(test, fleet, at)
            except OpsbotError as error:
                logger.warning("load test %d is looked after again: %s", test.number, error)

    async def _tend(self, test: LoadTest, fleet: Fleet | None, at: float) -> None:
        now = self._clock.now()
        await self._around.remark(test, remark(test, self._zone))
        if fleet is not None:
            test = await self._measured(test, fleet, at)
        if now > test.ends_at + test.grace_s:
            await self._forget(test)
        elif test.run_id is not None and await self._is_over(test.run_id):
            # The process that made it died, or somebody cancelled the run.
            await self.close(test.number, "stopped" if test.number in self._counts or test.counts else "failed")

    async def _measured(self, test: LoadTest, fleet: Fleet, at: float) -> LoadTest:
        one = fleet.clusters.get(test.cluster)
        now = Measured() if one is None else Measured(
            one.tokens_per_min, one.used_ratio, one.ttft_s, one.turned_away_ratio
        )  # fmt: skip
        counts = self._counts.get(test.number)
        is_shown = at - self._shown_at.get(test.number, float("-inf")) >= SHOW_EVERY_S
        if is_shown:
            self._shown_at[test.number] = at

        def seen(test: LoadTest) -> LoadTest:
            return replace(
                test, measured=greater(test.measured, now), counts=counts or test.counts, seen_at=self._clock.now()
            )

        return await asyncio.to_thread(self._store.change, test.number, seen, is_shown=is_shown)

    async def _forget(self, test: LoadTest) -> None:
        logger.warning("nobody closed load test %d on %s; it is closed by itself", test.number, test.cluster)
        if test.run_id is not None:
            try:
                await self._around.end(test.run_id, f"load test {test.number} was not closed in time")
            except OpsbotError as error:
                logger.error("the run of load test %d cannot be ended: %s", test.number, error)
        await self.close(test.number, "forgotten")

    async def _is_over(self, run_id: str) -> bool:
        try:
            return await self._around.is_over(run_id)
        except NotFoundError:
            return True

    # -- read

    async def open_tests(self) -> Sequence[LoadTest]:
        """Those that are under way."""
        return await asyncio.to_thread(self._store.open_tests)

    async def test(self, number: int) -> LoadTest:
        """One. Raises NotFoundError."""
        return await asyncio.to_thread(self._store.test, number)

    async def newest(self, limit: int) -> Sequence[LoadTest]:
        """The newest first."""
        return await asyncio.to_thread(self._store.newest, limit)
