"""Core: incidents, runs, Slack and the web, built once and started in the order in which they need each other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from opsbot.act_desk import ActDesk
from opsbot.act_state import ActState
from opsbot.action.control import ControlClient, ServingTarget
from opsbot.action.parts import ShippedParts
from opsbot.action.plugin import load_plugins
from opsbot.action.registry import shipped_actions
from opsbot.alert.alert import Alert
from opsbot.capacity_settings import capacity_figures
from opsbot.clock import Clock
from opsbot.config import Settings
from opsbot.config_secrets import Secrets
from opsbot.core_readiness import CoreReadiness
from opsbot.delivery_metrics import CountedOutbox
from opsbot.desk import Desk
from opsbot.errors import OpsbotError
from opsbot.heartbeat.beat import Heartbeat
from opsbot.heartbeat_wiring import build_heartbeat
from opsbot.inbound import inbound_receivers
from opsbot.incident.timeline import TimelineEntry
from opsbot.listen import bind, serve
from opsbot.notify.outbox import PAGE_KINDS
from opsbot.oncall.book import RotaBook
from opsbot.pager_desk import PagerDesk
from opsbot.pagerduty.wiring import Paging, PagingStore
from opsbot.people import Person, Role
from opsbot.people_settings import identities_by_email, roles_by_group, roles_by_user
from opsbot.preview_rows import Sight
from opsbot.read_only import ReadOnlyTransport
from opsbot.readiness import WriteProbe
from opsbot.roster import Roster
from opsbot.run_desk import RunDesk
from opsbot.runbook.executor import Executor, ExecutorSettings
from opsbot.runbook.library import RunbookLibrary
from opsbot.runbook.select import select
from opsbot.runbook_shelf import RunbookShelf
from opsbot.slack.role import SlackRole
from opsbot.slack.user_groups import UserGroups
from opsbot.slack_place import slack_settings
from opsbot.slack_vitals import SlackVitals
from opsbot.source_settings import asked_source
from opsbot.store.backlog import lag_of
from opsbot.store.database import Database
from opsbot.store.inbound import INBOUND_KEPT_S, InboundRepository
from opsbot.store.outbox import OutboxRepository
from opsbot.store.pages import PageRepository
from opsbot.store.probe import write_nothing
from opsbot.store.repositories import Repositories
from opsbot.store.run_queue import RunbookToRun
from opsbot.telemetry import CoreMetrics
from opsbot.trend_watch import TrendWatch
from opsbot.utilisation_wiring import LoadBookLater, SlackFiles, reports_of, told_parts
from opsbot.vitals.day import FleetDay
from opsbot.vitals_wiring import vital_parts
from opsbot.web.app import CoreApi
from opsbot.web.inbound.pagerduty import PagerDutyDoor
from opsbot.web.inbound.signature import SignatureKeys
from opsbot.web.tokens import Tokens

logger = logging.getLogger(__name__)

RELOAD_EVERY_S = 2
REVIEW_EVERY_S = 1
TELL_EVERY_S = 5.0
TEND_EVERY_S = 1.0
FORGET_EVERY_S = 3600
ALERTS_KEPT_S = 365 * 24 * 3600.0
SLACK = "slack"
"""The receiver under which ids of what Slack delivered are kept."""
DECISIONS_KEPT_S = 30 * 24 * 3600.0


class Core:
    """Every object of the core role."""

    def __init__(self, settings: Settings, secrets: Secrets, slack_url: str | None, clock: Clock) -> None:
        """Build everything; only the database is opened.

        Args:
            slack_url: base URL of the Web API when it is not Slack's own.

        Raises: ConfigError, StoreError.
        """
        slack = slack_settings(settings, secrets, slack_url)
        self._settings = settings
        self._secrets = secrets
        self._clock = clock
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        database = Database(f"sqlite:///{settings.data_dir}/opsbot.sqlite")
        self._database = database
        pagerduty = settings.paging.pagerduty
        policy = replace(settings.alerting.policy(), is_paging=pagerduty is not None)
        self._rota = RotaBook(settings.oncall, settings.data_dir / "oncall.last-good.yaml")
        stores = Repositories.over(database, policy, lambda: self._rota.rota)
        self._incidents, self._runs = stores.incidents, stores.runs
        self._escalations = stores.escalations
        self._inbound = InboundRepository(database)

        targets = {
            target.cluster: ServingTarget(target.url, secrets.control_tokens[target.cluster])
            for target in settings.serving
        }
        fleet = ServingTarget(settings.fleet.url, secrets.fleet_token) if settings.fleet else None
        self._control = ControlClient(targets, fleet=fleet)
        self._asking = ControlClient(targets, ReadOnlyTransport(), fleet=fleet)
        prober = asked_source(settings, secrets.prometheus_tokens, clock)
        plugins = load_plugins(settings.actions.plugins, clock)
        for problem in plugins.problems:
            logger.error("%s", problem)
        parts = ShippedParts(
            prober,
            self._control,
            clock,
            settings.actions,
            {target.cluster: target.client_url or target.url for target in settings.serving},
            self._incidents,
            stores.silences,
            None if pagerduty is None else PageRepository(database),
            policy.max_silence_s,
            self._wake_slack,
            LoadBookLater(lambda: self._told.tests),
        )
        registry = shipped_actions(parts, plugins.actions)
        self._library = RunbookLibrary(settings.runbooks, registry, settings.data_dir / "runbooks.last-good")
        self._executor = Executor(
            ExecutorSettings(
                f"sqlite:///{settings.data_dir}/dbos.sqlite",
                settings.instance,
                settings.runs.max_hold,
                clusters=tuple(target.cluster for target in settings.serving),
            ),
            self._runs,
            registry,
            prober,
            clock,
        )
        self._desk = Desk(
            stores, self._executor, policy, self._runbooks_for, self._wake_slack, clock, lambda: self._rota.rota
        )
        self._run_desk = RunDesk(
            stores,
            self._executor,
            self._library.runbooks,
            self._wake_slack,
            clock,
            tuple(target.cluster for target in settings.serving),
            Sight(shipped_actions(replace(parts, control=self._asking), plugins.actions), prober, self._everybody),
        )
        self._vitals = vital_parts(settings, prober, self._control, clock)
        clusters = tuple(target.cluster for target in settings.serving)
        self._told = told_parts(
            database,
            settings.utilisation,
            settings.slack.channel,
            clusters,
            self._vitals,
            prober,
            self._run_desk,
            SlackFiles(lambda: self._slack),
            clock,
            self._wake_slack,
            capacity_figures(settings),
        )
        self._acts = ActDesk(
            self._run_desk,
            self._desk,
            ActState(self._control, clock),
            tuple(target.cluster for target in settings.serving),
            self._library.runbooks,
            settings.runs.max_hold,
            self._told.desk,
        )
        self._stores = stores
        self._shelf = RunbookShelf(self._library, stores.notices.say, clock)
        self._trends = TrendWatch(self._incidents, prober, clock, self._trend_answered)
        self._metrics = CoreMetrics()
        self._paging = None
        if pagerduty is not None:
            store = PagingStore(
                OutboxRepository(database, PAGE_KINDS),
                PageRepository(database),
                self._incidents.incident,
                self._incidents.add_entry,
                self._incidents.entry,
            )
            self._paging = Paging(pagerduty, secrets.paging, settings.instance, store, self._metrics.pages.count, clock)
        by_group = roles_by_group(settings.people)
        self._groups = UserGroups(
            tuple(by_group),
            identities_by_email(settings.people),
            settings.data_dir / "user-groups.last-good.json",
            clock,
        )
        self._roster = Roster(roles_by_user(settings.people), by_group, self._groups.membership)
        self._slack = SlackRole(
            slack,
            self._desk,
            self._person_in_slack,
            CountedOutbox(database, self._metrics.delivery, clock),
            stores.views.view,
            self._said,
            clock,
            self._run_desk,
            SlackVitals(self._vitals),
            stores.views.show_again,
            acts=self._acts,
            fleet=self._vitals.reader,
            day=self._fleet_day,
            draw_day=self._vitals.fleet_pictures.of_day,
            take=lambda key: self._inbound.take(SLACK, key, clock.now()),
            lag=lambda: lag_of(database, clock.now()),
            groups=self._groups,
            reports=reports_of(database, settings.utilisation, settings.slack.channel),
            load_tests=self._told.desk,
            traffic=lambda: self._told.traffic(clock.now()),
        )
        database.on_wish(self._wake_slack)
        self._has_safety = any("trust_and_safety" in one.roles for one in settings.people)
        self._heartbeat: Heartbeat | None = None
        self._num_reviews = 0
        self._api = CoreApi(
            self._desk,
            Tokens.of(secrets.api_token, secrets.personal_tokens),
            self._person,
            self._metrics,
            self._count,
            self._health,
            self._readiness(),
            inbound_receivers(settings, secrets),
            clock,
            self._pager_door(),
            self._run_desk,
            self._acts,
        )
        self._schedule = AsyncIOScheduler(timezone="UTC")
        self._schedule.add_job(self._reload, "interval", seconds=RELOAD_EVERY_S, max_instances=1, coalesce=True)
        self._schedule.add_job(self._review, "interval", seconds=REVIEW_EVERY_S, max_instances=1, coalesce=True)
        self._schedule.add_job(self._forget, "interval", seconds=FORGET_EVERY_S, max_instances=1, coalesce=True)

    async def run(self) -> None:
        """Work until cancelled. The executor leaves last: what people asked for is carried out first.

        Raises: ConfigError if core's address cannot be had.
        """
        listener = bind(self._settings.core.host, self._settings.core.port)
        async with AsyncExitStack() as stack:
            stack.callback(self._database.close)
            stack.push_async_callback(self._control.close)
            stack.push_async_callback(self._asking.close)
            await asyncio.to_thread(self._shelf.open)
            await asyncio.to_thread(self._rota.reload)
            stack.push_async_callback(self._executor.stop)
            await self._executor.start()
            stack.push_async_callback(self._slack.stop)
            await self._slack.start()
            if self._paging is not None:
                stack.push_async_callback(self._paging.stop)
                await self._paging.start()
            self._schedule.start()
            stack.callback(self._schedule.shutdown, wait=False)
            measuring = asyncio.create_task(self._metrics.process.watch_loop(), name="loop lag")
            stack.callback(measuring.cancel)
            for name, looks, every_s in (
                ("reports", (self._told.reporter.look, self._told.around.look), TELL_EVERY_S),
                ("load tests", (self._told.tests.tend,), TEND_EVERY_S),
            ):
                looking = asyncio.create_task(self._keep_looking(looks, every_s), name=name)
                stack.push_async_callback(_cancelled, looking)
            self._start_heartbeat(stack)
            logger.info("core is ready on %s", _url(*listener.getsockname()[:2]))
            await serve(self._api.app, listener)

    def _start_heartbeat(self, stack: AsyncExitStack) -> None:
        self._heartbeat = build_heartbeat(
            self._settings,
            self._secrets,
            self._database,
            self._slack,
            lambda: self._num_reviews,
            self._metrics.heartbeat,
            self._clock,
            stack,
        )
        if self._heartbeat is not None:
            beating = asyncio.create_task(self._heartbeat.run(), name="heartbeat")
            stack.push_async_callback(_cancelled, beating)

    def _runbooks_for(self, alert: Alert) -> Sequence[RunbookToRun]:
        return [
            RunbookToRun(runbook.runbook_id, runbook.name, runbook.revision, runbook.source_json)
            for runbook in select(alert, self._library.runbooks())
        ]

    async def _fleet_day(self) -> FleetDay | None:
        return await self._vitals.fleet_pictures.day(self._clock.now())

    def _person(self, user_id: str) -> Person:
        return self._roster.person(user_id, "API")

    def _person_in_slack(self, user_id: str) -> Person:
        return self._roster.person(user_id, "Slack")

    def _everybody(self) -> Mapping[str, frozenset[Role]]:
        return self._roster.everybody()

    def _pager_door(self) -> PagerDutyDoor | None:
        section = self._settings.paging.pagerduty
        if section is None or not section.webhook_secret_env:
            return None
        keys = SignatureKeys.of(self._secrets.paging[name] for name in section.webhook_secret_env)
        desk = PagerDesk(self._desk, self._inbound, PageRepository(self._database), self._clock)
        return PagerDutyDoor(keys, self._settings.instance, desk, self._metrics)

    def _said(self, key: str) -> TimelineEntry | None:
        return self._incidents.entry(key) or self._stores.notices.notice(key)

    def _wake_slack(self) -> None:
        if self._paging is not None:
            self._paging.wake()
        self._slack.wake()

    async def _reload(self) -> None:
        await asyncio.to_thread(self._shelf.look)
        await asyncio.to_thread(self._rota.reload)
        self._slack.wake()

    def _trend_answered(self) -> None:
        self._executor.wake()
        self._wake_slack()

    async def _review(self) -> None:
        is_done = True
        # Each by itself: whoever must be woken is woken whatever else fails.
        for look in (self._desk.escalate, self._desk.review, self._trends.look):
            try:
                await look()
            except OpsbotError as error:
                is_done = False
                logger.error("what was put off is looked at again in %d s: %s", REVIEW_EVERY_S, error)
        self._num_reviews += is_done

    async def _keep_looking(self, looks: Sequence[Callable[[], Awaitable[None]]], every_s: float) -> None:
        """In a task of its own, since numbers and charts take their time and nothing waits for them."""
        while True:
            for look in looks:
                try:
                    await look()
                except OpsbotError as error:
                    logger.error("what is told of the load is looked at again in %g s: %s", every_s, error)
                except Exception:
                    # Whatever one report or test needs, the next look is at all of them.
                    logger.exception("what is told of the load failed; looking again in %g s", every_s)
            await asyncio.sleep(every_s)

    async def _forget(self) -> None:
        await asyncio.to_thread(self._incidents.forget_alerts, self._clock.now() - ALERTS_KEPT_S)
        gone = await asyncio.to_thread(self._incidents.forget_decisions, self._clock.now() - DECISIONS_KEPT_S)
        logger.info("%d decision records older than 30 days forgotten", gone)
        gone = await asyncio.to_thread(self._inbound.forget, self._clock.now() - INBOUND_KEPT_S)
        logger.info("%d ids of inbound events forgotten", gone)
        await self._told.reporter.forget()

    def _count(self) -> None:
        for gauge, counts in (
            (self._metrics.incidents, self._incidents.counts()),
            (self._metrics.runs, self._runs.counts()),
            (self._metrics.escalations, self._escalations.counts()),
        ):
            gauge.clear()
            for state, count in counts.items():
                gauge.labels(state).set(count)
        self._metrics.bad_rota.set(bool(self._rota.problems))
        self._metrics.bad_files.set(self._num_bad_files())
        self._metrics.delivery.refresh(self._database, self._clock.now(), is_slack_connected=self._slack.is_connected)
        if self._paging is not None:
            self._metrics.pages.late.set(self._paging.watch.num_late)
            self._metrics.pages.unheard.set(self._paging.watch.num_unheard)

    def _num_bad_files(self) -> int:
        return len({problem.path for problem in self._library.problems})

    def _readiness(self) -> CoreReadiness:
        return CoreReadiness(
            WriteProbe(lambda: write_nothing(self._database.engine), "core's database"),
            lambda: self._executor.is_running,
            lambda: self._slack.is_connected,
            lambda: self._slack.problem,
            self._num_bad_files,
        )

    def _health(self) -> Mapping[str, str]:
        slack = "connected" if self._slack.is_connected else (self._slack.problem or "connecting")
        slack += f"; {self._slack.heard}" if self._slack.heard else ""
        more = {} if self._heartbeat is None else {"heartbeat": self._heartbeat.health()}
        if self._slack.picture_problem is not None:
            more["charts"] = self._slack.picture_problem
        if self._slack.safety_problem is not None and self._has_safety:
            more["trust_and_safety"] = self._slack.safety_problem
        if self._groups.problem is not None:
            more["people"] = self._groups.problem
        if self._settings.oncall is not None:
            num_problems = len(self._rota.problems)
            more["oncall"] = f"revision {self._rota.rota.revision[:12] or 'none'} in force, {num_problems} problems"
        return {
            **more,
            "slack": slack,
            "delivery": self._delivery(),
            "runbooks": f"{len(self._library.runbooks())} in force, {len(self._library.problems)} problems",
        }

    def _delivery(self) -> str:
        try:
            return self._slack.lag().sentence()
        except OpsbotError as error:
            return f"unknown: {error}"


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
