"""The watch role: each second scrape, evaluate; beside that, ask Prometheus servers where there are any, tell core.

What it owns is the past: its history and its hold timers (`durable.py`). When core can be asked it learns which alerts
still fire and goes on from there, so that a restart neither forgets a firing alert nor ends one. Neither a slow target
nor a slow core nor a slow disk holds up the rest.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import promql_parser as tree

from opsbot.alert.alert import Alert
from opsbot.clock import Clock
from opsbot.errors import SourceError
from opsbot.history.file import Limits
from opsbot.listen import bind, serve
from opsbot.promql.labelset import freeze
from opsbot.promql.samples import SampleStore
from opsbot.readiness import Readiness
from opsbot.rule.book import RuleBook
from opsbot.rule.model import RecordingRule, Rule
from opsbot.source.discovery import TargetsFile, TargetsUrl
from opsbot.source.scrape import Scraper, Target, target_of
from opsbot.source.servers import PrometheusServer, ServerAddress
from opsbot.watch.absent import AbsentMetrics
from opsbot.watch.door import DoorClient
from opsbot.watch.durable import Durable
from opsbot.watch.evaluation import Evaluation
from opsbot.watch.query_api import QueryApi
from opsbot.watch.readiness import watch_readiness
from opsbot.watch.remote import Division, RemoteRules
from opsbot.watch.roster import Roster
from opsbot.watch.status import Rounds, WatchStatus
from opsbot.watch.steady_clock import SteadyClock
from opsbot.watch.timings import WatchTimings
from opsbot.web.health import health_routes
from opsbot.yamlfile import Problem

HOUSEKEEP_EVERY_S = 60.0
OWN_EVERY = 5
"""Rounds between two scrapes of the bot's own roles."""
WAIT_SHARE = 0.5
"""How much of an interval evaluation waits for slow targets."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """What to watch and whom to tell.

    Args:
        core_url: base URL of core.
        api_token: what core's alert door asks for.
        listen_host, listen_port: where queries are answered, when the role serves itself (`run_watch`).
        interval_s: between two scrapes, and two evaluations.
        own_targets: the bot's own roles, for rules about the bot; less often, and no alert by itself if one is gone.
        targets_files, targets_urls: lists of more targets, looked at again and again.
        servers: what evaluates the rules in place of the samples here; those about the bot stay here.
        data_dir: the folder for history and timers; None keeps nothing over a restart.
        history: what the history may take.
    """

    targets: Sequence[Target]
    rule_paths: Sequence[Path]
    core_url: str
    api_token: str
    listen_host: str = "127.0.0.1"
    listen_port: int = 8071
    interval_s: float = 1.0
    own_targets: Sequence[Target] = ()
    targets_files: Sequence[Path] = ()
    targets_urls: Sequence[str] = ()
    servers: Sequence[ServerAddress] = ()
    data_dir: Path | None = None
    history: Limits = field(default_factory=Limits)


class Watcher:
    """Builds the role's parts; `app` answers queries, `run` does the work."""

    def __init__(self, settings: WatchSettings, clock: Clock, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._clock = SteadyClock(clock, self._leave_timers_alone)
        self._store = SampleStore()
        self.timings = WatchTimings()
        timed = self.timings.scrape.observe
        lists = [TargetsFile(path, self._clock) for path in settings.targets_files]
        urls = [TargetsUrl(url, http, self._clock) for url in settings.targets_urls]
        self._roster = Roster(
            settings.targets, [*lists, *urls], lambda target: Scraper(target, self._store, self._clock, http, timed)
        )
        self._scrapers = self._roster.scrapers
        self._own_scrapers = [Scraper(one, self._store, self._clock, http, timed) for one in settings.own_targets]
        self._book = RuleBook(settings.rule_paths, _rejected)
        self._durable = Durable(settings.data_dir, settings.history, self._store, self._clock)
        self._evaluation = Evaluation(self._store, self._durable.long.at)
        self._door = DoorClient(settings.core_url.rstrip("/"), settings.api_token, http)
        self._rounds = Rounds()
        self._division = Division(self._book)
        self._clients = [address.client() for address in settings.servers]
        servers = [PrometheusServer(*pair) for pair in zip(settings.servers, self._clients, strict=True)]
        self._remote = RemoteRules(servers, self._division, self._clock, self._offer)
        self._is_restored = False
        self._told_core = ""
        self._has_news = asyncio.Event()
        self._housekept_at = self._clock.now()
        self._absent = AbsentMetrics(self._store, self._housekept_at)
        status = WatchStatus(
            self._store,
            self._roster,
            self._book,
            self._evaluation,
            self._remote.servers,
            self._door,
            self._rounds,
            self._durable,
            self.timings,
        )
        self.app = QueryApi(self._durable.past, self._clock, status, health_routes("watch", self.readiness)).app

    async def run(self) -> None:
        """Watch until cancelled."""
        async with AsyncExitStack() as stack:
            for client in self._clients:
                stack.push_async_callback(client.aclose)
            await self._roster.refresh()
            logger.info("watching %d targets and %d Prometheus servers", len(self._scrapers), len(self._remote.servers))
            rules, _ = self._look_at_rules()
            holds, seen_at = await self._durable.start(self._asked())
            own = {freeze(scraper.target.labels) for scraper in self._own_scrapers}
            found = map(target_of, (key for key, _ in self._store.sheets()))
            self._roster.take_up(labels for labels in found if labels is not None and labels not in own)
            self._evaluation.resume(self._remote.resume(rules, holds, seen_at), seen_at)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._durable.run())
                group.create_task(self._tell_forever())
                group.create_task(self._roster.run())
                group.create_task(self._remote.run(self._is_complete))
                group.create_task(self.timings.process.watch_loop())
                await self._watch_forever(group)

    def evaluate(self) -> None:
        """Evaluate every rule in force on the samples that are there, and note what core must be told."""
        began_s, began_at_s = time.thread_time(), time.perf_counter()
        now = self._clock.now()
        rules, recordings = self._look_at_rules()
        alerts = self._evaluation.rules(rules, now, is_complete=self._is_complete(), recordings=recordings)
        alerts += self._evaluation.departed(self._roster.departed, now)
        alerts += self._evaluation.targets(self._scrapers, now, self._remote.servers)
        self._offer(alerts, now)
        self._housekeep(now)
        self._durable.turn([self._evaluation, *(server.evaluation for server in self._remote.servers)], now)
        self._rounds.num_rounds += 1
        self._rounds.last_at_s = self._clock.monotonic()
        self.timings.evaluation.observe(time.perf_counter() - began_at_s)
        self.timings.process.note_ready(self._ready().is_ready)
        self._rounds.evaluating_s += time.thread_time() - began_s

    async def readiness(self) -> Readiness:
        """Whether rules are in force and evaluated."""
        return self._ready()

    async def tell(self) -> bool:
        """Tell core what it does not know yet; the first time, ask it what still fires. Answers whether it took all."""
        if not self._is_restored:
            try:
                firing = await self._door.firing()
            except SourceError as error:
                if str(error) != self._told_core:
                    self._told_core = str(error)
                    logger.warning("%s; asking again until it does", error)
                return False
            rules, now = self._look_at_rules()[0], self._clock.now()
            rest = self._remote.restore(rules, firing, now) if self._remote.servers else firing
            self._evaluation.restore(rules, rest, now)
            self._is_restored = True
            logger.info("core holds %d firing alerts", len(firing))
        return await self._door.deliver(self._clock.now())

    def _look_at_rules(self) -> tuple[Sequence[Rule], Sequence[RecordingRule]]:
        """Load what has changed; the rules that are evaluated on the samples here."""
        is_new = self._book.reload()
        if self._remote.servers:
            self._division.look()
        if is_new:
            logger.info("%d rules and %d recorded series in force", len(self._book.rules), len(self._book.recordings))
            self._durable.long.need(self._asked())
        return self._own()

    def _own(self) -> tuple[Sequence[Rule], Sequence[RecordingRule]]:
        if not self._remote.servers:
            return self._book.rules, self._book.recordings
        return self._division.own_rules, self._division.own_recordings

    def _asked(self) -> list[tree.Expr]:
        """Every expression that is evaluated on the samples here."""
        rules, recordings = self._own()
        own = [expr for rule in rules for expr in (rule.expr, rule.clear_expr) if expr]
        return own + [rule.expr for rule in recordings]

    def _is_complete(self) -> bool:
        return self._book.is_complete and self._is_restored

    def _offer(self, alerts: Sequence[Alert], now: float) -> None:
        self._door.offer(alerts, now)
        if self._door.num_due:
            self._has_news.set()

    def _leave_timers_alone(self, step_s: float) -> None:
        logger.warning("the machine's clock was set forward by %.0f s; rules' timers do not go by that", step_s)
        self._evaluation.shift(step_s)
        self._remote.shift(step_s)

    def _ready(self) -> Readiness:
        now, interval_s = self._clock.monotonic(), self._settings.interval_s
        named = [(f"the Prometheus {one.address.name}", one.health) for one in self._remote.servers]
        named += [(f"the list of targets {one.name}", one.health) for one in self._roster.discoveries]
        silent = [name for name, health in named if health.failing_since is not None]
        return watch_readiness(self._book, self._rounds, self._door, self._scrapers, now, interval_s, silent)

    async def _watch_forever(self, group: asyncio.TaskGroup) -> None:
        running: dict[int, asyncio.Task[None]] = {}
        group.create_task(self._watch_ourselves_forever())
        interval_s = self._settings.interval_s
        due = self._clock.monotonic()
        while True:
            running = {key: task for key, task in running.items() if not task.done()}
            for scraper in self._scrapers:
                if id(scraper) not in running:
                    running[id(scraper)] = group.create_task(scraper.scrape())
            if running:
                await asyncio.wait(running.values(), timeout=interval_s * WAIT_SHARE)
            self.evaluate()
            # A round that took too long is not made up for.
            due, now = due + interval_s, self._clock.monotonic()
            if due < now:
                self._rounds.num_late += 1
                due = now
            await asyncio.sleep(due - now)

    async def _watch_ourselves_forever(self) -> None:
        while self._own_scrapers:
            await asyncio.sleep(OWN_EVERY * self._settings.interval_s)
            await asyncio.gather(*(scraper.scrape() for scraper in self._own_scrapers))

    async def _tell_forever(self) -> None:
        while True:
            if not await self.tell():
                await asyncio.sleep(self._settings.interval_s)
                continue
            await self._has_news.wait()
            self._has_news.clear()

    def _housekeep(self, now: float) -> None:
        if now - self._housekept_at >= HOUSEKEEP_EVERY_S:
            self._housekept_at = now
            self._store.forget_older(now)
        if any(scraper.health.num_samples for scraper in self._scrapers):
            self._absent.look(*self._own(), now)


async def run_watch(settings: WatchSettings, clock: Clock) -> None:
    """Watch, and answer queries at the address in *settings*, until cancelled.

    Raises: ConfigError if the address cannot be had.
    """
    listener = bind(settings.listen_host, settings.listen_port)
    # Neither targets nor core are reached through a proxy; each keeps its connection, however many there are.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(trust_env=False, limits=limits) as http, asyncio.TaskGroup() as group:
        watcher = Watcher(settings, clock, http)
        group.create_task(serve(watcher.app, listener))
        group.create_task(watcher.run())


def _rejected(problem: Problem) -> None:
    logger.error("rules not loaded, the last good ones stay in force: %s", problem)
