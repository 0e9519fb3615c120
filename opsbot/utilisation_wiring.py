"""Builds what tells the fleet's load and keeps load tests from the settings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opsbot.capacity.gather import Source
from opsbot.capacity.hardware import Figures
from opsbot.clock import Clock
from opsbot.errors import ActionError, InvalidTransition, NotFoundError, NotifyError
from opsbot.load_test_desk import LoadTestDesk
from opsbot.people import Person
from opsbot.runbook.action import Facts
from opsbot.runbook.commands import RunCommands
from opsbot.runbook.run import RUN_TRANSITIONS, RunState
from opsbot.slack.report.reports import Reports
from opsbot.store.database import Database
from opsbot.store.load_tests import LoadTestRepository
from opsbot.store.reports import ReportRepository
from opsbot.store.views import ViewRepository
from opsbot.utilisation.expected import expected_lines
from opsbot.utilisation.load_test import Counts, LoadTest, Size
from opsbot.utilisation.load_test_picture import LoadTestPictures
from opsbot.utilisation.load_tests import LoadTests
from opsbot.utilisation.makers import Makers
from opsbot.utilisation.report import Report, ReportKind
from opsbot.utilisation.reporter import Files, Make, Reporter
from opsbot.utilisation.section import UtilisationSection, WhenSection
from opsbot.utilisation.slots import Schedule
from opsbot.vitals.day import Load
from opsbot.vitals_wiring import VitalParts

logger = logging.getLogger(__name__)

OURSELVES = Person("opsbot", frozenset({"commander"}))
"""Ends the run of a load test that nobody closed."""
DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Told:
    """What core does with it."""

    reporter: Reporter
    tests: LoadTests
    desk: LoadTestDesk
    makers: Makers
    around: LoadTestAround

    async def traffic(self, now: float) -> Report:
        """Where the requests of the last day come from. Raises SourceError."""
        return await self.makers.traffic(now, now, (), DAY_S)


class SlackFiles:
    """Implements opsbot.utilisation.reporter.Files by a role that is made later."""

    def __init__(self, role: Callable[[], Files]) -> None:
        self._role = role

    async def file(self, name: str, png: bytes, title: str, alt_text: str, since: float, *, may_be_there: bool) -> str:
        """The id of the file. Raises NotifyError."""
        return await self._role().file(name, png, title, alt_text, since, may_be_there=may_be_there)


class LoadBookLater:
    """Implements opsbot.action.loadtest.LoadBook by load tests that are made after the actions are."""

    def __init__(self, tests: Callable[[], LoadTests]) -> None:
        self._tests = tests

    async def expect(self, cluster: str, requests_per_s: float, tokens_per_request: float) -> str:
        """What a load would do, in sentences."""
        expected = await self._tests().expect(cluster, Size(requests_per_s, tokens_per_request))
        return " ".join(expected_lines(expected, cluster))

    async def begin(
        self, cluster: str, requests_per_s: float, tokens_per_request: float, length_s: float, run_id: str, words: str
    ) -> int:
        """Announce it; its number. Raises ActionError if the cluster has one already."""
        size = Size(requests_per_s, tokens_per_request)
        try:
            test = await self._tests().announce_run(cluster, size, length_s, run_id, words)
        except InvalidTransition as error:
            raise ActionError(str(error)) from error
        return test.number

    def count(self, number: int, facts: Facts) -> None:
        """What is counted by now."""
        self._tests().count(number, Counts(**facts))

    async def end(self, number: int, facts: Facts) -> None:
        """It was made whole."""
        await self._tests().close(number, "finished", counts=Counts(**facts))


class LoadTestAround:
    """Implements opsbot.utilisation.load_tests.Around."""

    def __init__(
        self,
        store: LoadTestRepository,
        views: ViewRepository,
        runs: RunCommands,
        pictures: LoadTestPictures,
        files: Files,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._store, self._views, self._runs = store, views, runs
        self._pictures, self._files, self._clock, self._wake = pictures, files, clock, wake
        self._is_first = True

    async def requester(self, run_id: str) -> tuple[str, str]:
        """Who asked for a run, and that it came by a run."""
        run = await asyncio.to_thread(self._views.run, run_id)
        return run.requester or "opsbot", run.handle

    async def is_over(self, run_id: str) -> bool:
        """Whether a run makes no further step."""
        run = await asyncio.to_thread(self._views.run, run_id)
        return not RUN_TRANSITIONS[RunState(run.state)]

    async def end(self, run_id: str, why: str) -> None:
        """Cancel a run."""
        try:
            await self._runs.cancel(run_id, OURSELVES, why)
        except (InvalidTransition, NotFoundError) as error:
            logger.info("the run of a load test is over already: %s", error)

    async def warn(self, test: LoadTest, text: str) -> None:
        """Say *text* in the incidents channel."""
        await asyncio.to_thread(self._store.warn, test, text, self._clock.now())

    async def remark(self, test: LoadTest, text: str) -> None:
        """Say *text* in the incidents of the test's cluster."""
        if await asyncio.to_thread(self._store.remark, test, text, self._clock.now()):
            self._wake()

    async def look(self) -> None:
        """Draw the charts of tests that are over, keep them, and show them."""
        for test in await asyncio.to_thread(self._store.undrawn):
            picture = await self._pictures.of(test)
            drawn = (None, "") if picture is None else (picture.png, picture.alt_text)
            await asyncio.to_thread(self._store.draw, test.number, *drawn)
        for test in await asyncio.to_thread(self._store.unshown):
            png = await asyncio.to_thread(self._store.png, test.number)
            if png is None:
                continue
            file_id, title = None, f"Load test {test.number}"
            since = test.closed_at or test.announced_at
            try:
                file_id = await self._files.file(
                    test.file_name, png, title, test.alt_text, since, may_be_there=self._is_first
                )
            except NotifyError as error:
                logger.warning("load test %d goes without its chart: %s", test.number, error)
            await asyncio.to_thread(self._store.show, test.number, file_id)
            self._wake()
        self._is_first = False


def reports_of(database: Database, section: UtilisationSection | None, channel: str) -> Reports:
    """How reports reach Slack: load tests are told in the incidents' *channel* where there is no section."""
    given = section or UtilisationSection(channel=channel)
    return Reports(given.channel, given.zone, ReportRepository(database).report, LoadTestRepository(database).test)


def told_parts(
    database: Database,
    section: UtilisationSection | None,
    channel: str,
    clusters: Sequence[str],
    vitals: VitalParts,
    source: Source,
    runs: RunCommands,
    files: Files,
    clock: Clock,
    wake: Callable[[], None],
    figures: Figures,
) -> Told:
    """All of it."""
    given = section or UtilisationSection(channel=channel)
    reports, tests = ReportRepository(database), LoadTestRepository(database)
    makers = Makers(
        vitals.fleet_pictures,
        source,
        reports,
        vitals.reader.fleet,
        given.zone,
        given.theme,
        figures,
        vitals.drawer,
        given.clusters,
    )
    schedules, made = _schedules(given, makers)
    pictures = LoadTestPictures(source, vitals.drawer, given.theme, clock)
    around = LoadTestAround(tests, ViewRepository(database), runs, pictures, files, clock, wake)

    async def load(cluster: str) -> Load | None:
        day = await vitals.fleet_pictures.day(clock.now(), (cluster,))
        found = None if day is None else next((one for one in day.loads if one.cluster == cluster), None)
        if found is not None and found.tokens_per_min is not None:
            return found
        # Without a day's readings, as it is now: at low load that makes capacity seem smaller than it is.
        now = (await vitals.reader.fleet()).clusters.get(cluster)
        if now is None or now.tokens_per_min is None:
            return None
        able = now.tokens_per_min / now.used_ratio if now.used_ratio else None
        return Load(cluster, "", now.tokens_per_min, now.used_ratio, now.bound, able)

    kept = LoadTests(tests, load, vitals.reader.fleet, around, given.zone, given.load_test_grace, clock, wake)
    return Told(
        Reporter(reports, files, schedules, made, given.zone, clock, wake),
        kept,
        LoadTestDesk(kept, clusters, given.channel),
        makers,
        around,
    )


def _schedules(
    section: UtilisationSection, makers: Makers
) -> tuple[dict[ReportKind, Schedule], dict[ReportKind, Make]]:
    found: dict[ReportKind, tuple[WhenSection | None, Make]] = {
        "post": (section.post, makers.post),
        "peak": (section.peak, makers.peak),
        "traffic": (section.traffic, makers.traffic),
    }
    schedules = {
        kind: Schedule(section.zone, when.cron, when.every) for kind, (when, _) in found.items() if when is not None
    }
    return schedules, {kind: make for kind, (_, make) in found.items()}
