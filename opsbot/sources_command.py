"""`opsbot sources`: asks every metrics source of the settings once, and says of each how it fares and what to do."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import httpx

from opsbot.clock import SystemClock
from opsbot.command_options import CONFIG_OPTION
from opsbot.config import Settings, load_settings
from opsbot.config_secrets import prometheus_tokens
from opsbot.errors import SourceError

if TYPE_CHECKING:
    from opsbot.rule.model import Rule
    from opsbot.source.scrape import Target
    from opsbot.source.servers import ServerAddress

AT_ONCE = 8

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: whether it is well, and what was seen."""

    is_well: bool
    text: str


@click.command()
@CONFIG_OPTION
def sources(config_path: Path) -> None:
    """Ask each Prometheus each rule, read each list of targets and scrape each target once; say what is wrong."""
    settings = load_settings(config_path)
    findings = asyncio.run(_collected(look(settings)))
    for finding in findings:
        click.echo(f"{'ok   ' if finding.is_well else 'WRONG'} {finding.text}")
    num_wrong = sum(not finding.is_well for finding in findings)
    if num_wrong:
        click.echo(f"{num_wrong} of {len(findings)} are wrong; the addresses stand in {config_path}", err=True)
        sys.exit(1)


async def look(settings: Settings) -> AsyncIterator[Finding]:
    """What is seen of each source, in the order of the settings."""
    from opsbot.source.discovery import Discovery, TargetsFile, TargetsUrl
    from opsbot.source_settings import scraped_clusters, server_addresses

    clock = SystemClock()
    for address in server_addresses(settings, prometheus_tokens(settings, os.environ)):
        async for finding in _of_server(address, settings):
            yield finding
    targets = scraped_clusters(settings)
    async with httpx.AsyncClient(trust_env=False) as http:
        lists: list[Discovery] = [TargetsFile(path, clock) for path in settings.targets_file]
        lists += [TargetsUrl(url, http, clock) for url in settings.targets_url]
        for source in lists:
            await source.refresh()
            if source.health.failing_since is not None:
                yield Finding(False, f"{source.kind} {source.health.last_error}")
            else:
                yield Finding(True, f"{source.kind} {source.name}: {len(source.targets)} targets")
            targets += source.targets
        for finding in await _few_at_once(_of_target(target, http) for target in targets):
            yield finding


async def _of_server(address: ServerAddress, settings: Settings) -> AsyncIterator[Finding]:
    from opsbot.promql.syntax import QueryError
    from opsbot.rule.book import RuleBook
    from opsbot.source.servers import PrometheusServer
    from opsbot.watch.question import question, recorded_series
    from opsbot.watch.remote import PROBE, Division

    book = RuleBook(settings.alert_rules, lambda problem: None)
    book.reload()
    division = Division(book)
    division.look()
    recorded = recorded_series(division.recordings)
    async with address.client() as http:
        server = PrometheusServer(address, http)

        async def asked(rule: Rule) -> Finding | None:
            try:
                await server.ask(question(rule, recorded, address.interval_s).whole)
            except QueryError as error:
                return Finding(False, f"prometheus {address.name}: rule {rule.name} ({rule.origin}): {error}")
            except SourceError as error:
                return Finding(False, f"prometheus {address.name}: rule {rule.name} ({rule.origin}) got {error}")
            return None

        try:
            await server.ask(PROBE)
        except SourceError as error:
            yield Finding(False, f"prometheus {address.name} at {address.base_url}: {error}")
            return
        wrong = [found for found in await _few_at_once(map(asked, division.rules)) if found is not None]
        yield Finding(
            True,
            f"prometheus {address.name} at {address.base_url}: answers, "
            f"{len(division.rules) - len(wrong)} of {len(division.rules)} rules",
        )
        for finding in wrong:
            yield finding


async def _of_target(target: Target, http: httpx.AsyncClient) -> Finding:
    from opsbot.promql.samples import SampleStore
    from opsbot.source.scrape import Scraper

    scraper = Scraper(target, SampleStore(), SystemClock(), http)
    await scraper.scrape()
    health = scraper.health
    where = f"target {target.cluster} at {target.url}"
    if health.failing_since is not None:
        return Finding(False, f"{where}: {health.last_error}")
    left_out = health.num_refused + health.num_duplicates
    told = f", {left_out} left out as too many or twice there" if left_out else ""
    return Finding(not left_out, f"{where}: {health.num_samples} samples{told}")


async def _few_at_once(work: Iterable[Awaitable[_T]]) -> list[_T]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(waiting: Awaitable[_T]) -> _T:
        async with gate:
            return await waiting

    return list(await asyncio.gather(*map(one, work)))


async def _collected(findings: AsyncIterator[Finding]) -> list[Finding]:
    return [finding async for finding in findings]
