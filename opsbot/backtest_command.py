"""`opsbot backtest`: what rules and runbooks, as their files are now, would have done over recorded samples."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsbot.alert.severity import Severity
from opsbot.clock import SystemClock
from opsbot.command_options import CONFIG_OPTION
from opsbot.config import Settings, load_settings
from opsbot.config_secrets import prometheus_tokens
from opsbot.errors import ConfigError
from opsbot.yamlfile import Problem, parse_duration

if TYPE_CHECKING:
    from opsbot.backtest.finding import Backtest
    from opsbot.backtest.prepare import Files
    from opsbot.backtest.replay import Progress
    from opsbot.runbook.model import Runbook

MOST_S = 366 * 86_400.0
TOO_MANY_PAGES = 3
"""Exit status."""
FORMS = (".png", ".svg")
PAGED: tuple[Severity, ...] = ("critical", "high")
"""Severities that wake somebody where no pager is set up."""


class _Duration(click.ParamType[float]):
    """`10s`, `7d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            found = value if isinstance(value, float) else parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not 1 <= found <= MOST_S:
            self.fail(f"between 1s and 366d is needed, not {value}", param, ctx)
        return found


class _Moment(click.ParamType[str]):
    """`7d` (ago), or a time."""

    name = "duration|time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            moment(str(value), 0.0)
        except ValueError:
            self.fail(f"7d (ago), or a time such as 2026-03-29T02:30Z, is needed, not {value!r}", param, ctx)
        return str(value)


def moment(text: str, end_s: float) -> float:
    """Seconds since the epoch: a duration before *end_s*, or a time, UTC unless it says otherwise.

    Raises: ValueError.
    """
    try:
        return end_s - parse_duration(text)
    except ValueError:
        found = datetime.fromisoformat(text)
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


@click.command()
@click.option(
    "--since", type=_Moment(), default="7d", show_default=True, help="From when: so long before --until, or a time."
)
@click.option("--until", type=_Moment(), help="Until when: so long ago, or a time [default: now].")
@click.option(
    "--rules", "rule_paths", multiple=True, type=click.Path(exists=True, path_type=Path),
    help="Rule files or folders, in place of `alert_rules` of the settings.",
)  # fmt: skip
@click.option(
    "--runbooks", "runbook_paths", multiple=True, type=click.Path(exists=True, path_type=Path),
    help="Runbook files or folders, in place of `runbooks` of the settings.",
)  # fmt: skip
@click.option(
    "--step", type=_Duration(),
    help="Between two evaluations [default: as far as samples are apart: 10s in the last day, 1m before].",
)  # fmt: skip
@click.option(
    "--chart", type=click.Path(path_type=Path, dir_okay=False), help="Draw it: FILE.svg or FILE.png, a lane an alert."
)
@click.option(
    "--history", "history_path", type=click.Path(path_type=Path, dir_okay=False),
    help="A history file of watch, in place of that in `data_dir` and of Prometheus.",
)  # fmt: skip
@click.option("--max-pages", type=click.IntRange(min=0), help="Exit with 3 if more pages would have gone out.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@CONFIG_OPTION
def backtest(
    since: str,
    until: str | None,
    rule_paths: tuple[Path, ...],
    runbook_paths: tuple[Path, ...],
    step: float | None,
    chart: Path | None,
    history_path: Path | None,
    max_pages: int | None,
    is_json: bool,
    config_path: Path,
) -> None:
    """Say what would have fired, paged and run over the last days, with the rules and runbooks as they are now."""
    from opsbot.backtest.prepare import Asked
    from opsbot.backtest.text import lines
    from opsbot.backtest.wire import to_json

    if chart is not None and chart.suffix not in FORMS:
        raise ConfigError(f"--chart {chart}: a name that ends in {' or '.join(FORMS)} is needed")
    settings = load_settings(config_path)
    files, wrong = _rules(rule_paths or settings.alert_rules)
    runbooks, more = _runbooks(runbook_paths or settings.runbooks)
    for problem in (problems := [*wrong, *more]):
        click.echo(problem, err=True)
    if not files.rules:
        raise ConfigError("there is no rule to evaluate; name files or folders with --rules")
    now = SystemClock().now()
    until_s = now if until is None else min(now, moment(until, now))
    asked = Asked(moment(since, until_s), until_s, step)
    if asked.since_s >= asked.until_s:
        raise ConfigError(f"--since {since} is not before --until {until or 'now'}")
    with _progress() as progress, _quiet():
        found = asyncio.run(_evaluated(settings, history_path, files, runbooks, asked, progress))
    if chart is not None:
        _write_chart(found, chart)
    click.echo(json.dumps(to_json(found), indent=2) if is_json else "\n".join(lines(found)))
    if problems:
        click.echo(f"{len(problems)} problems: what their files have was left out", err=True)
    if max_pages is not None and found.num_pages > max_pages:
        click.echo(f"{found.num_pages} pages are more than {max_pages}", err=True)
        sys.exit(TOO_MANY_PAGES)
    if problems:
        sys.exit(1)


async def _evaluated(
    settings: Settings,
    history_path: Path | None,
    files: Files,
    runbooks: Sequence[Runbook],
    asked: Any,
    progress: Progress,
) -> Backtest:
    from opsbot.backtest.judge import Judge
    from opsbot.backtest.prepare import over_history, over_servers
    from opsbot.backtest.replay import backtest as replayed
    from opsbot.source_settings import server_addresses
    from opsbot.watch.durable import HISTORY_FILE

    pager = settings.paging.pagerduty
    path = history_path or settings.data_dir / HISTORY_FILE
    addresses = [] if history_path else server_addresses(settings, prometheus_tokens(settings, os.environ))
    ready = over_servers(addresses, path, files, asked) if addresses else over_history(path, files, asked)
    judge = Judge(settings.alerting.policy(), runbooks, PAGED if pager is None else pager.severities)
    try:
        async with ready as (replays, span):
            return await replayed(replays, files.rules, judge, span, progress)
    finally:
        judge.close()


def _rules(paths: Sequence[Path]) -> tuple[Files, list[Problem]]:
    """The rules of all sound files, and the problems of the others."""
    from opsbot.backtest.prepare import Files
    from opsbot.backtest.sight import asked_for
    from opsbot.rule.book import RuleBook

    problems: list[Problem] = []
    book = RuleBook(paths, problems.append)
    book.reload()
    return Files(book.rules, asked_for(book.rules, book.recordings)), sorted(set(problems))


def _runbooks(paths: Sequence[Path]) -> tuple[list[Runbook], list[Problem]]:
    """The sound runbooks, the first of each id, and the problems of the others."""
    from opsbot.action.registry import names_only
    from opsbot.runbook.loader import check_runbooks, find_files, load_runbook

    registry = names_only()
    found: dict[str, Runbook] = {}
    for path in find_files(paths)[0]:
        runbook, _ = load_runbook(path, registry)
        if runbook is not None:
            found.setdefault(runbook.runbook_id, runbook)
    return list(found.values()), check_runbooks(paths, registry)


def _write_chart(found: Backtest, path: Path) -> None:
    from opsbot.backtest.chart import draw

    try:
        path.write_bytes(draw(found, path.suffix[1:]))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}; choose another --chart") from error


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on standard error where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda share: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("backtest", total=1.0)
        yield lambda share: bar.update(task, completed=share)


@contextmanager
def _quiet() -> Iterator[None]:
    """What evaluation would log once a round is in the report."""
    loggers = [logging.getLogger(f"opsbot.watch.{name}") for name in ("evaluation", "recorder", "durable")]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger in loggers:
            logger.disabled = False
