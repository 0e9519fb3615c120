"""`opsbot capacity`, and `plan`, `mark` and `score` below it: asks the source, has it shown, keeps."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import click

from opsbot.capacity.catalogue import NumberFormat, load_catalogue
from opsbot.capacity.lognormal import LogNormal, parse_factor
from opsbot.capacity_output import Seen, clusters_json, plan_json, plan_text, print_clusters
from opsbot.capacity_settings import capacity_figures
from opsbot.clock import SystemClock, to_rfc3339
from opsbot.command_options import CONFIG_OPTION
from opsbot.config import Settings, load_settings
from opsbot.config_secrets import prometheus_tokens
from opsbot.errors import ConfigError, OpsbotError, SourceError
from opsbot.store.json_lines import JsonLines
from opsbot.yamlfile import parse_duration

NUM_STEPS = 336
"""Readings of one look back: hours of two weeks."""
WATCH_WINDOW = "14m"
"""A watch that has just begun has no more; its history has up to 7 days."""
PROMETHEUS_WINDOW = "14d"
FORECASTS, MARKS = "forecasts.jsonl", "marks.jsonl"
OVERVIEW = "fleet"
"""Name of the picture of all clusters."""
MOST_SCORED = 400
"""The newest promises; each costs two queries."""

_DEMAND = re.compile(r"\s*([\d.kMG-]+)\s*(tokens|tok|requests|req)\s*/\s*(?:min|minute)\s*")


class _Factor(click.ParamType[LogNormal]):
    """`300`, or a range `200-500`."""

    name = "number[-number]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> LogNormal:
        try:
            return value if isinstance(value, LogNormal) else parse_factor(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Duration(click.ParamType[float]):
    """`30m`, `14d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            found = value if isinstance(value, float) else parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not 120 <= found <= 366 * 86_400:
            self.fail(f"between 2m and 366d is needed, not {value}", param, ctx)
        return found


@click.group(invoke_without_command=True)
@CONFIG_OPTION
@click.option("--window", type=_Duration(), help="How far to look back [default: 14d; 14m where watch is asked].")
@click.option("--horizon", type=_Duration(), help="How far to look ahead [default: as far as back].")
@click.option(
    "--charts",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for PNGs: one of each cluster, and one of all.",
)
@click.option("--no-record", is_flag=True, help="Do not keep the forecasts for `opsbot capacity score`.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_context
def capacity(
    context: click.Context,
    config_path: Path,
    window: float | None,
    horizon: float | None,
    charts: Path | None,
    no_record: bool,
    is_json: bool,
) -> None:
    """Show what each cluster carries, what bounds it, and when its trend meets that bound."""
    if context.invoked_subcommand is not None:
        return
    settings = load_settings(config_path)
    look_back = window or parse_duration(PROMETHEUS_WINDOW if settings.prometheus else WATCH_WINDOW)
    with _says_what_to_start(settings):
        asyncio.run(_show(settings, look_back, horizon or look_back, charts, not no_record, is_json))


async def _show(
    settings: Settings, window_s: float, horizon_s: float, charts: Path | None, is_kept: bool, is_json: bool
) -> None:
    from opsbot.capacity.forecast import forecast, meeting
    from opsbot.capacity.gather import gather, rate_window_s, requests_by_country
    from opsbot.capacity.record import keep
    from opsbot.capacity.text import trend_sentence

    source, now_s = metrics_source(settings), float(int(SystemClock().now()))
    step_s = float(max(1, round(window_s / NUM_STEPS)))
    clusters = await gather(source, now_s - window_s, now_s, step_s, capacity_figures(settings))
    countries = await requests_by_country(source, step_s)
    seen = []
    for cluster in clusters:
        made, able = forecast(cluster.tokens.settled(rate_window_s(step_s)), horizon_s), cluster.capacity
        meets = meeting(made, able) if made and able else None
        seen.append(Seen(cluster, made, meets, trend_sentence(cluster, made, meets, now_s)))
    if is_kept:
        _lines(settings, FORECASTS).append(
            *(
                keep(now_s, one.cluster.name, one.cluster.model, step_s, one.forecast, one.cluster.bound, one.meets)
                for one in seen
                if one.forecast is not None
            )
        )
    drawn = _draw(settings, seen, charts) if charts else []
    if is_json:
        click.echo(json.dumps(clusters_json(seen, countries, now_s, drawn), indent=2, allow_nan=False))
    else:
        print_clusters(seen, countries, now_s, drawn)


@capacity.command()
@click.option("--demand", required=True, help='"2M tokens/min" or "600 requests/min"; a range as 400-900.')
@click.option("--model", required=True, help="Model of the catalogue.")
@click.option("--device", required=True, help="Device of the catalogue.")
@click.option("--format", "number_format", type=click.Choice(get_args(NumberFormat)), default="bf16", show_default=True)
@click.option("--prompt-tokens", type=_Factor(), default="500-2000", show_default=True, help="Length of a prompt.")
@click.option("--answer-tokens", type=_Factor(), default="150-600", show_default=True, help="Length of an answer.")
@click.option("--peak-to-mean", type=_Factor(), default="1.5-3", show_default=True, help="Busiest minute over mean.")
@click.option("--efficiency", type=_Factor(), default="0.25-0.65", show_default=True, help="Reached share of the roof.")
@click.option("--batch-limit", type=click.IntRange(1), default=256, show_default=True, help="Sequences in one step.")
@click.option("--gpus-per-replica", type=click.IntRange(1, 8), help="[default: the fewest that hold the model]")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@CONFIG_OPTION
def plan(
    demand: str,
    model: str,
    device: str,
    number_format: NumberFormat,
    prompt_tokens: LogNormal,
    answer_tokens: LogNormal,
    peak_to_mean: LogNormal,
    efficiency: LogNormal,
    batch_limit: int,
    gpus_per_replica: int | None,
    is_json: bool,
    config_path: Path,
) -> None:
    """Say how many GPUs a mean demand needs, as a band, with what it assumes."""
    from opsbot.capacity.plan import Demand, plan, smallest_replica, with_gpus

    catalogue = load_catalogue(load_settings(config_path).capacity.catalogue)
    found_model, found_device = catalogue.model(model), catalogue.device(device, number_format)
    replica = smallest_replica(found_model, found_device, number_format, batch_limit)
    if gpus_per_replica:
        replica = with_gpus(replica, gpus_per_replica)
    per_min, is_tokens = _demand(demand)
    asked = Demand(per_min, is_tokens, prompt_tokens, answer_tokens, peak_to_mean)
    made = plan(replica, asked, efficiency)
    if is_json:
        click.echo(json.dumps(plan_json(made), indent=2))
    else:
        click.echo(plan_text(made, demand.strip()))


@capacity.command()
@click.argument("text")
@click.option("--at", help="When, such as 2026-11-24T10:00 (UTC) [default: now].")
@CONFIG_OPTION
def mark(text: str, at: str | None, config_path: Path) -> None:
    """Pin TEXT (a launch, a post, a load test) on the charts."""
    from opsbot.capacity.mark import make_mark, parse_time

    settings = load_settings(config_path)
    made = make_mark(text, SystemClock().now() if at is None else parse_time(at))
    _lines(settings, MARKS).append(made.to_entry())
    click.echo(f"marked {to_rfc3339(round(made.at_s))}: {made.text}")


@capacity.command()
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@CONFIG_OPTION
def score(is_json: bool, config_path: Path) -> None:
    """Compare the forecasts kept so far with what happened."""
    from opsbot.capacity.record import parse_records

    settings = load_settings(config_path)
    records = parse_records(_lines(settings, FORECASTS).read(), str(_folder(settings) / FORECASTS))
    if not records:
        raise OpsbotError("no forecast has been kept yet; `opsbot capacity` keeps one each time")
    with _says_what_to_start(settings):
        asyncio.run(_score(settings, records, is_json))


async def _score(settings: Settings, records: Sequence[Any], is_json: bool) -> None:
    from opsbot.capacity.gather import tokens_at
    from opsbot.capacity.record import due
    from opsbot.capacity.record import score as score_records

    source, now_s = metrics_source(settings), SystemClock().now()
    wanted = sorted({(point.at_s, record.step_s) for record, point in due(records, now_s)})[-MOST_SCORED:]
    happened: dict[tuple[str, str, float, float], float] = {}
    for at_s, step_s in wanted:
        for (cluster, model), tokens in (await tokens_at(source, at_s, step_s)).items():
            happened[cluster, model, at_s, step_s] = tokens
    found = score_records(records, happened, now_s)
    if is_json:
        click.echo(json.dumps({name: getattr(found, name) for name in found.__slots__}, indent=2))
        return
    if found.num_scored:
        factor = f"; typically off by a factor of {found.typical_factor:.2f}" if found.typical_factor else ""
        share = found.num_inside / found.num_scored
        click.echo(
            f"{found.num_inside} of {found.num_scored} promises held ({share:.0%}; 80% is what a band says){factor}"
        )
    else:
        click.echo("no promise can be scored yet")
    click.echo(f"{found.num_waiting} lie ahead, {found.num_without_data} have passed without data in the source")


def metrics_source(settings: Settings) -> Any:
    """What answers queries about the fleet: the first Prometheus of the settings that answers, or watch."""
    from opsbot.source_settings import asked_source

    return asked_source(settings, prometheus_tokens(settings, os.environ), SystemClock())


@contextmanager
def _says_what_to_start(settings: Settings) -> Iterator[None]:
    """A source that does not answer is mostly one that does not run."""
    try:
        yield
    except SourceError as error:
        if not error.retryable:
            raise
        advice = (
            "start that Prometheus, or correct prometheus.url in opsbot.yaml"
            if settings.prometheus
            else "`opsbot up` starts it; or name a Prometheus of yours as prometheus.url in opsbot.yaml"
        )
        raise SourceError(f"{error}; {advice}", retryable=True) from error


def _folder(settings: Settings) -> Path:
    return settings.data_dir / "capacity"


def _lines(settings: Settings, name: str) -> JsonLines:
    return JsonLines(_folder(settings) / name)


def _draw(settings: Settings, seen: Sequence[Seen], folder: Path) -> list[str]:
    from opsbot.capacity.chart import draw
    from opsbot.capacity.mark import parse_marks
    from opsbot.capacity.overview import draw_overview

    marks = parse_marks(_lines(settings, MARKS).read(), str(_folder(settings) / MARKS))
    pictures = {
        re.sub(r"[^A-Za-z0-9._-]+", "-", f"{one.cluster.name}-{one.cluster.model}"): draw(
            one.cluster, one.forecast, marks, one.sentence
        )
        for one in seen
    }
    if len(seen) > 1:
        pictures[OVERVIEW] = draw_overview([one.cluster for one in seen], marks)
    paths = []
    for name, picture in pictures.items():
        path = folder / f"{name}.png"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror}; choose another --charts") from error
        paths.append(str(path))
    return paths


def _demand(text: str) -> tuple[LogNormal, bool]:
    match = _DEMAND.fullmatch(text)
    if match is None:
        raise ConfigError(f'--demand needs "2M tokens/min" or "600 requests/min", not {text!r}')
    try:
        return parse_factor(match[1]), match[2].startswith("tok")
    except ValueError as error:
        raise ConfigError(f"--demand: {error}") from error
