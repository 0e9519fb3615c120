"""Core: incidents, runs, Slack and the web, built once and started in the order in which they need each other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from opsbot.action import ControlClient, ServingTarget, shipped_actions
from opsbot.alert.alert import Alert
from opsbot.clock import Clock
from opsbot.config import Secrets, Settings
from opsbot.desk import Desk
from opsbot.errors import ConfigError
from opsbot.listen import bind, serve
from opsbot.people import Person, person_for
from opsbot.runbook.executor import Executor, ExecutorSettings
from opsbot.runbook.library import RunbookLibrary
from opsbot.runbook.select import select
from opsbot.slack.app import SlackSettings
from opsbot.slack.role import SlackRole
from opsbot.source_settings import asked_source
from opsbot.store.database import Database
from opsbot.store.incidents import IncidentRepository, RunbookToRun
from opsbot.store.outbox import OutboxRepository
from opsbot.store.runs import RunRepository
from opsbot.store.views import ViewRepository
from opsbot.telemetry import CoreMetrics
from opsbot.web.app import CoreApi
from opsbot.web.tokens import Tokens

logger = logging.getLogger(__name__)

RELOAD_EVERY_S = 2
FORGET_EVERY_S = 3600
DECISIONS_KEPT_S = 30 * 24 * 3600.0


class Core:
    """Every object of the core role."""

    def __init__(self, settings: Settings, secrets: Secrets, slack_url: str | None, clock: Clock) -> None:
        """Build everything; only the database is opened.

        Args:
            slack_url: base URL of the Web API when it is not Slack's own.

        Raises: ConfigError, StoreError.
        """
        if not (secrets.slack_bot_token and secrets.slack_app_token):
            raise ConfigError(
                f"core needs {settings.slack.bot_token_env} and {settings.slack.app_token_env}; "
                "`opsbot up` starts the local workspace when they are not set"
            )
        self._settings = settings
        self._clock = clock
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        database = Database(f"sqlite:///{settings.data_dir}/opsbot.sqlite")
        self._database = database
        self._incidents = IncidentRepository(database)
        self._runs = RunRepository(database, self._incidents)
        views = ViewRepository(database)

        self._control = ControlClient(
            {
                target.cluster: ServingTarget(target.url, secrets.control_tokens[target.cluster])
                for target in settings.serving
            }
        )
        prober = asked_source(settings, secrets.prometheus_tokens, clock)
        registry = shipped_actions(self._control, prober, clock)
        self._library = RunbookLibrary(settings.runbooks, registry)
        self._executor = Executor(
            ExecutorSettings(f"sqlite:///{settings.data_dir}/dbos.sqlite", settings.instance, settings.runs.max_hold),
            self._runs,
            registry,
            prober,
            clock,
        )
        self._desk = Desk(
            self._incidents, self._runs, views, self._executor, self._runbooks_for, self._wake_slack, clock
        )
        self._roles = {person.user: frozenset(person.roles) for person in settings.people}
        self._slack = SlackRole(
            SlackSettings(secrets.slack_bot_token, secrets.slack_app_token, slack_url, settings.slack.channel),
            self._desk,
            self._person,
            OutboxRepository(database),
            views.view,
            self._incidents.entry,
            clock,
        )
        self._metrics = CoreMetrics()
        self._api = CoreApi(
            self._desk,
            Tokens.of(secrets.api_token, secrets.personal_tokens),
            self._person,
            self._metrics,
            self._count,
            self._health,
        )
        self._schedule = AsyncIOScheduler(timezone="UTC")
        self._schedule.add_job(self._reload, "interval", seconds=RELOAD_EVERY_S, max_instances=1, coalesce=True)
        self._schedule.add_job(self._forget, "interval", seconds=FORGET_EVERY_S, max_instances=1, coalesce=True)

    async def run(self) -> None:
        """Work until cancelled. The executor leaves last: what people asked for is carried out first.

        Raises: ConfigError if core's address cannot be had.
        """
        listener = bind(self._settings.core.host, self._settings.core.port)
        async with AsyncExitStack() as stack:
            stack.callback(self._database.close)
            stack.push_async_callback(self._control.close)
            await asyncio.to_thread(self._library.reload)
            logger.info("%d runbooks in force", len(self._library.runbooks()))
            stack.push_async_callback(self._executor.stop)
            await self._executor.start()
            stack.push_async_callback(self._slack.stop)
            await self._slack.start()
            self._schedule.start()
            stack.callback(self._schedule.shutdown, wait=False)
            logger.info("core is ready on %s", _url(*listener.getsockname()[:2]))
            await serve(self._api.app, listener)

    def _runbooks_for(self, alert: Alert) -> Sequence[RunbookToRun]:
        return [
            RunbookToRun(runbook.runbook_id, runbook.name, runbook.revision, runbook.source_json)
            for runbook in select(alert, self._library.runbooks())
        ]

    def _person(self, user_id: str) -> Person:
        return person_for(user_id, self._roles)

    def _wake_slack(self) -> None:
        self._slack.wake()

    async def _reload(self) -> None:
        before = {runbook.runbook_id: runbook.revision for runbook in self._library.runbooks()}
        await asyncio.to_thread(self._library.reload)
        now = {runbook.runbook_id: runbook.revision for runbook in self._library.runbooks()}
        for runbook_id in sorted(now.keys() | before.keys()):
            if now.get(runbook_id) != before.get(runbook_id):
                revision = now.get(runbook_id)
                logger.info("runbook %s: %s", runbook_id, f"revision {revision[:12]}" if revision else "out of force")

    async def _forget(self) -> None:
        gone = await asyncio.to_thread(self._incidents.forget_decisions, self._clock.now() - DECISIONS_KEPT_S)
        logger.info("%d decision records older than 30 days forgotten", gone)

    def _count(self) -> None:
        for gauge, counts in (
            (self._metrics.incidents, self._incidents.counts()),
            (self._metrics.runs, self._runs.counts()),
        ):
            gauge.clear()
            for state, count in counts.items():
                gauge.labels(state).set(count)
        self._metrics.bad_files.set(len({problem.path for problem in self._library.problems}))

    def _health(self) -> Mapping[str, str]:
        slack = "connected" if self._slack.is_connected else (self._slack.problem or "connecting")
        return {
            "slack": slack,
            "runbooks": f"{len(self._library.runbooks())} in force, {len(self._library.problems)} problems",
        }


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
