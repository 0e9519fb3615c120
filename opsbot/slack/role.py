"""The whole Slack side of core, started and stopped as one: listeners, the connection, and the outbox's delivery.

The outbox is delivered whether or not Slack's socket is connected, and core runs on while Slack is away; what could
not be said is said later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.clock import Clock
from opsbot.incident.commands import IncidentCommands
from opsbot.incident.restricted import is_restricted
from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import IncidentView
from opsbot.listen import bind
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
from opsbot.slack.audience import AudienceNotifier, SafetyChannel
from opsbot.slack.channel import Channel
from opsbot.slack.connection import Connection
from opsbot.slack.day_chart import DayChart, Draw
from opsbot.slack.home import Home
from opsbot.slack.http_connection import HttpConnection
from opsbot.slack.listeners import register
from opsbot.slack.notifier import SlackNotifier
from opsbot.slack.pictures import Pictures, Vitals
from opsbot.slack.report.files import ReportFiles
from opsbot.slack.report.reports import Reports
from opsbot.slack.restricted import for_everybody
from opsbot.slack.seat import FleetReader, Seat
from opsbot.slack.seen import Seen
from opsbot.slack.tiers import PER_MINUTE
from opsbot.slack.upload import Uploader
from opsbot.slack.user_groups import UserGroups
from opsbot.slack.work import Work
from opsbot.spoken.commands import ActCommands
from opsbot.utilisation.commands import LoadTestCommands
from opsbot.utilisation.report import Report
from opsbot.vitals.day import FleetDay

logger = logging.getLogger(__name__)

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
        groups: who is in the user groups that have roles.
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
        groups: UserGroups | None = None,
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
        self._groups = groups
        self._reading: asyncio.Task[None] | None = None
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
        self._safety: SafetyChannel | None = None
        self._home: Home | None = None
        self._showing: asyncio.Task[None] | None = None
        self._drawing: asyncio.Task[None] | None = None
        self._work = Work()
        self._seen = Seen(take)
        self._stored_lag = lag
        self._reach = Reach()
        self._worker: DeliveryWorker | None = None
        self._connection: Connection | HttpConnection | None = None
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
    def heard(self) -> str:
        """In HTTP mode, when Slack's last request came; empty otherwise."""
        return self._connection.heard if isinstance(self._connection, HttpConnection) else ""

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
        safety = self._safety_channel(poster)
        self._safety = SafetyChannel(poster, safety, self._clock)
        notifier = AudienceNotifier(
            self._notifier(poster, channel, self._seen_by_everybody, is_for_everybody=True),
            self._notifier(poster, safety or channel, self._view),
            self._safety,
            self._view,
        )
        pipeline = Pipeline(self._outbox, notifier, self._clock, budget, reach=self._reach)
        self._worker = DeliveryWorker(self._outbox, pipeline, self._clock, look_ahead=notifier.look_ahead)

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
            groups=self._groups,
            load_tests=self._load_tests,
            traffic=self._traffic,
        )
        self._home = register(app, seat, channel.id)
        self._showing = asyncio.create_task(self._home.run(answerer), name="Home tab")
        if self._groups is not None:
            self._reading = asyncio.create_task(self._groups.run(answerer), name="user groups")
        self._connection = self._connected_by(app, answerer)
        logger.info("Slack: %s", self._settings.place)

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
        await _end(self._reading)
        await _end(self._showing)
        await self._work.finish(FINISH_WITHIN_S)
        await _end(self._delivering)

    def _connected_by(self, app: AsyncApp, client: AsyncWebClient) -> Connection | HttpConnection:
        """Raises: ConfigError if the address of HTTP mode cannot be had."""
        settings = self._settings
        if settings.listen is None:
            return Connection(app, client, settings.app_token, self._clock)
        return HttpConnection(app, client, settings.signing_secret, bind(*settings.listen), self._clock)

    @property
    def safety_problem(self) -> str | None:
        """Why trust and safety matters have no channel, and what to do about it; None while there is none to report."""
        return None if self._safety is None else self._safety.problem

    def _safety_channel(self, poster: AsyncWebClient) -> Channel | None:
        name = self._settings.safety_channel
        return Channel(poster, name, "slack.trust_and_safety_channel") if name else None

    def _seen_by_everybody(self, incident_id: str) -> IncidentView:
        return for_everybody(self._view(incident_id))

    def _notifier(
        self,
        poster: AsyncWebClient,
        channel: Channel,
        view: Callable[[str], IncidentView],
        *,
        is_for_everybody: bool = False,
    ) -> SlackNotifier:
        if not is_for_everybody:
            return SlackNotifier(poster, channel, view, self._entry, self._clock, self._pictures)
        report_channel = None
        if self._reports is not None and self._reports.channel != self._settings.channel:
            report_channel = Channel(poster, self._reports.channel, "utilisation.channel")
        return SlackNotifier(
            poster,
            channel,
            view,
            self._entry,
            self._clock,
            self._pictures,
            hides=is_restricted,
            reports=self._reports,
            report_channel=report_channel,
        )

    def _wish_again(self, incident_id: str) -> None:
        if self._show_again is not None:
            self._show_again(incident_id)
            self.wake()

    def wake(self) -> None:
        """Deliver now instead of at the next half second; may be called from any thread."""
        if self._worker is not None:
            self._worker.wake()
        if self._home is not None:
            self._home.changed()


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
