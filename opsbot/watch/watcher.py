"""The watch role's loop: each second scrape, evaluate, post.

It owns nothing durable. At start it asks core which alerts still fire and goes on from there, so that a restart
neither forgets a firing alert nor ends one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from opsbot.clock import Clock
from opsbot.errors import SourceError
from opsbot.promql.samples import SampleStore
from opsbot.promql.syntax import metric_names
from opsbot.rule.loader import RuleBook
from opsbot.source.scrape import Scraper, Target
from opsbot.watch.door import DoorClient
from opsbot.watch.evaluation import Evaluation
from opsbot.watch.query_api import query_app

logger = logging.getLogger(__name__)

FORGET_EVERY_S = 60.0
ABSENT_AFTER_S = 10.0


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """What to watch and whom to tell."""

    targets: Sequence[Target]
    rule_paths: Sequence[Path]
    core_url: str
    api_token: str
    interval_s: float = 1.0


class Watcher:
    """Scrapes, evaluates and posts, once an interval."""

    def __init__(self, settings: WatchSettings, clock: Clock, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._clock = clock
        self.store = SampleStore()
        self._scrapers = [Scraper(target, self.store, clock, http) for target in settings.targets]
        self._book = RuleBook(settings.rule_paths, lambda problem: logger.error("rule not loaded: %s", problem))
        self._evaluation = Evaluation(self.store)
        self._door = DoorClient(settings.core_url, settings.api_token, http)
        self._is_restored = False
        self._started_at = clock.now()
        self._forgot_at = clock.now()
        self._told_absent: set[str] = set()
        self._registry = CollectorRegistry()
        self._rounds = Counter(
            "opsbot_watch_rounds_total", "Rounds of scraping and evaluation.", registry=self._registry
        )
        self._up = Gauge("opsbot_watch_targets_up", "Targets that answer.", registry=self._registry)
        self._failed = Gauge("opsbot_watch_door_failures", "Posts that core did not take.", registry=self._registry)
        self._series = Gauge("opsbot_watch_series", "Series held in memory.", registry=self._registry)
        self.app = query_app(self.store, clock, self._metrics, self._targets)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            began = self._clock.monotonic()
            await self.round()
            await asyncio.sleep(max(0.0, self._settings.interval_s - (self._clock.monotonic() - began)))

    async def round(self) -> None:
        """One round: scrape, evaluate, post."""
        self._book.reload()
        await asyncio.gather(*(scraper.scrape() for scraper in self._scrapers))
        if not self._is_restored:
            await self._restore()
        now = self._clock.now()
        if self._is_restored:
            alerts = [*self._evaluation.rules(self._book.rules, now), *self._evaluation.targets(self._scrapers, now)]
            self._door.offer(alerts, now)
            await self._door.deliver(now)
        self._housekeep(now)

    async def _restore(self) -> None:
        try:
            firing = await self._door.firing()
        except SourceError as error:
            logger.warning("%s; nothing is evaluated before", error)
            return
        self._evaluation.restore(self._book.rules, firing)
        self._is_restored = True
        logger.info("watching %d targets; core holds %d firing alerts", len(self._scrapers), len(firing))

    def _housekeep(self, now: float) -> None:
        self._rounds.inc()
        if now - self._forgot_at >= FORGET_EVERY_S:
            self._forgot_at = now
            self.store.forget_older(now)
        if now - self._started_at >= ABSENT_AFTER_S and any(s.health.failing_since is None for s in self._scrapers):
            self._tell_absent()

    def _tell_absent(self) -> None:
        """A rule over a metric that nobody exposes would never fire, silently; say so once."""
        known = self.store.names()
        for rule in self._book.rules:
            for name in sorted(metric_names(rule.expr) - known - self._told_absent):
                self._told_absent.add(name)
                other = name.replace(":", "_")
                hint = f"; there is {other}: is something between us that rewrites names?" if other in known else ""
                logger.warning("rule %s asks for %s, which no target exposes%s", rule.name, name, hint)

    def _metrics(self) -> str:
        self._up.set(sum(scraper.health.failing_since is None for scraper in self._scrapers))
        self._failed.set(self._door.num_failures)
        self._series.set(self.store.num_series)
        return generate_latest(self._registry).decode()

    def _targets(self) -> list[dict[str, object]]:
        return [
            {
                "scrapeUrl": scraper.target.url,
                "labels": dict(scraper.target.labels),
                "health": "up" if scraper.health.failing_since is None else "down",
                "lastError": scraper.health.last_error,
            }
            for scraper in self._scrapers
        ]
