"""The whole Slack side of core, started and stopped as one: listeners, the connection, and the outbox's delivery.

The outbox is delivered whether or not Slack's socket is connected, and core runs on while Slack is away; what could
not be said is said later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from opsbot.clock import Clock
from opsbot.incident.commands import IncidentCommands
from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import IncidentView
from opsbot.notify.budget import Budget
from opsbot.notify.delivery import DeliveryWorker
from opsbot.notify.lag import Lag
from opsbot.notify.notifier import DeliveryError
from opsbot.notify.outbox import OutboxStore
from opsbot.notify.pipeline import Pipeline
from opsbot.notify.reach import Reach
from opsbot.people import Person
from opsbot.runbook.commands import RunCommands
from opsbot.slack.app import (
    SlackSettings,
    answer_client,
    build_app,
    delivery_client,
    forget_outside_settings,
)
from opsbot.slack.channel import Channel
from opsbot.slack.connection import Connection
from opsbot.slack.day_chart import DayChart, Draw
from opsbot.slack.listeners import register
from opsbot.slack.notifier import SlackNotifier
from opsbot.slack.pictures import Pictures, Vitals
from opsbot.slack.report.files import ReportFiles
from opsbot.slack.report.reports import Reports
from opsbot.slack.seat import FleetReader, Seat
from opsbot.slack.seen import Seen
from opsbot.slack.tiers import PER_MINUTE
from opsbot.slack.upload import Uploader
from opsbot.slack.work import Work
from opsbot.spoken.commands import ActCommands
from opsbot.utilisation.commands import LoadTestCommands
from opsbot.utilisation.report import Report
from opsbot.vitals.day import FleetDay

FINISH_WITHIN_S = 5.0


class SlackRole:
    """Slack for one core.

    Args:
        commands, runs, acts: what buttons and slash commands call.
        person_for: a Slack user id's person, with roles.
        fleet, day, draw_day: the numbers of now, those of the day, and its chart.
        outbox: what to deliver; called in threads.
        view, entry: read what an outbox item names; called in threads; raise NotFoundError (an entry may be None).
        take: takes a key of what Slack delivered, durably; answers whether it is new. Called in threads.
        lag: how much waits in the outbox; called in threads.
        reports: what stands in the channel of `utilisation`, and of load tests; None where nothing does.
        vitals: numbers and charts of incidents; None for text alone.
        show_again: wishes an incident's message edited; called in threads.
    """

    def __init__(
        self,
        settings: SlackSettings,
        commands: IncidentCommands,
        person_for: Callable[[str], Person],
        outbox: OutboxStore,
        view: Callable[[str], IncidentView],
        entry: Callable[[str], TimelineEntry | None],
        clock: Clock,
        runs: RunCommands,
        vitals: Vitals | None = None,
        show_again: Callable[[str], object] | None = None,
        *,
        acts: ActCommands | None = None,
        fleet: FleetReader | None = None,
        day: Callable[[], Awaitable[FleetDay | None]] | None = None,
        draw_day: Draw | None = None,
        take: Callable[[str], bool] | None = None,
        lag: Callable[[], Lag] = Lag,
        reports: Reports | None = None,
        load_tests: LoadTestCommands | None = None,
        traffic: Callable[[], Awaitable[Report]] | None = None,
    ) -> None:
        self._reports = reports
        self._load_tests = load_tests
        self._traffic = traffic
        self._files: ReportFiles | None = None
        self._runs = runs
        self._acts = acts
        self._fleet = fleet
        self._day = day
        self._draw_day = draw_day
        self._settings = settings
        self._commands = commands
        self._person_for = person_for
        self._outbox = outbox
        self._view = view
        self._entry = entry
        self._clock = clock
        self._vitals = vitals
        self._show_again = show_again
        self._pictures: Pictures | None = None
        self._drawing: asyncio.Task[None] | None = None
        self._work = Work()
        self._seen = Seen(take)
        self._stored_lag = lag
        self._reach = Reach()
        self._worker: DeliveryWorker | None = None
        self._connection: Connection | None = None
        self._delivering: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None

    @property
    def is_connected(self) -> bool:
        """Whether presses and commands reach us now."""
        return self._connection is not None and self._connection.is_connected

    @property
    def problem(self) -> str | None:
        """Why there is no connection, in one sentence for the health page; None while there is none to report."""
        return None if self._connection is None else self._connection.problem

    def lag(self) -> Lag:
        """How far behind Slack is with what must be said, and why; reads the store, so it is called in a thread."""
        return replace(self._stored_lag(), outage=self._reach.outage)

    @property
    def is_idle(self) -> bool:
        """Whether everything that people asked for is carried out."""
        return self._work.is_idle

    @property
    def picture_problem(self) -> str | None:
        """Why messages have no charts, and what to do about it; None while there is none to report."""
        return None if self._pictures is None else self._pictures.problem

    async def start(self) -> None:
        """Begin to listen and to deliver; returns at once and does not need Slack to be there."""
        forget_outside_settings(self._settings)
        budget = Budget(PER_MINUTE)
        poster = delivery_client(self._settings, budget, self._clock)
        answerer = answer_client(self._settings, budget, self._clock)
        channel = Channel(poster, self._settings.channel)
        uploader = Uploader(poster, self._clock)
        self._files = ReportFiles(poster, uploader)
        if self._vitals is not None:
            self._pictures = Pictures(self._vitals, uploader, self._view, self._wish_again, self._clock)
            self._drawing = asyncio.create_task(self._pictures.run(), name="charts")
        report_channel = None
        if self._reports is not None and self._reports.channel != self._settings.channel:
            report_channel = Channel(poster, self._reports.channel, "utilisation.channel")
        notifier = SlackNotifier(
            poster, channel, self._view, self._entry, self._clock, self._pictures, self._reports, report_channel
        )
        pipeline = Pipeline(self._outbox, notifier, self._clock, budget, reach=self._reach)
        self._worker = DeliveryWorker(self._outbox, pipeline, self._clock)

        app = build_app(answerer)
        seat = Seat(
            self._commands,
            self._runs,
            self._person_for,
            self._work,
            self.wake,
            self._clock,
            acts=self._acts,
            fleet=self._fleet,
            day=self._day,
            day_chart=None if self._draw_day is None else DayChart(self._draw_day, uploader, self._clock),
            seen=self._seen,
            lag=self.lag,
            load_tests=self._load_tests,
            traffic=self._traffic,
        )
        register(app, seat, channel.id)
        self._connection = Connection(app, answerer, self._settings.app_token, self._clock)

        self._delivering = asyncio.create_task(self._worker.run(), name="slack delivery")
        self._listening = asyncio.create_task(self._connection.run(), name="slack connection")

    async def file(self, name: str, png: bytes, title: str, alt_text: str, since: float, *, may_be_there: bool) -> str:
        """Implements opsbot.utilisation.reporter.Files.

        Raises: UploadError; DeliveryError before the start.
        """
        if self._files is None:
            raise DeliveryError("Slack is not started yet")
        return await self._files.file(name, png, title, alt_text, since, may_be_there=may_be_there)

    async def stop(self) -> None:
        """Stop listening first, finish what people asked for, then stop delivering; nothing durable is lost."""
        await _end(self._listening)
        await _end(self._drawing)
        await self._work.finish(FINISH_WITHIN_S)
        await _end(self._delivering)

    def _wish_again(self, incident_id: str) -> None:
        if self._show_again is not None:
            self._show_again(incident_id)
            self.wake()

    def wake(self) -> None:
        """Deliver now instead of at the next half second; may be called from any thread."""
        if self._worker is not None:
            self._worker.wake()


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
