"""`opsbot postmortem`: an incident as a Markdown file with pictures, ready for people to complete."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from opsbot.command_options import CONFIG_OPTION
from opsbot.config import Settings, load_settings
from opsbot.errors import ConfigError, SourceError

Json = Mapping[str, Any]

AROUND_S = 900.0
"""How much is shown before the incident and after it."""
MOST_STEPS = 600
MOST_CHARTS = 6


@click.command()
@click.argument("incident_id")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    show_default="the current folder",
    help="Folder to write to.",
)
@click.option("--force", is_flag=True, help="Write over a document that is there, and what people wrote into it.")
@CONFIG_OPTION
def postmortem(incident_id: str, folder: Path, force: bool, config_path: Path) -> None:
    """Write what is known of INCIDENT_ID as Markdown with charts, with the questions that only people can answer."""
    from opsbot.client import CoreClient
    from opsbot.explain_command import watched_rules
    from opsbot.postmortem.document import document

    settings = load_settings(config_path)
    with CoreClient.from_settings(settings, os.environ) as client:
        view, explained = client.incident(incident_id), client.explain(incident_id)
    name = view["incident"]["incident_id"]
    path = folder / f"{name}.md"
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already; name another folder with --out, or write over it with --force")
    folder.mkdir(parents=True, exist_ok=True)
    rules = watched_rules(settings)
    charts: list[tuple[str, str]] = []
    if isinstance(rules, str):
        click.echo(f"no charts: {rules}", err=True)
    else:
        charts = asyncio.run(_charts(settings, view, rules, folder))
    path.write_text(document(view, explained["decisions"], charts, time.time()), encoding="utf-8")
    pictures = f" and {len(charts)} chart{'' if len(charts) == 1 else 's'}" if charts else ""
    click.echo(f"wrote {path}{pictures}")


async def _charts(settings: Settings, view: Json, rules: Sequence[Json], folder: Path) -> list[tuple[str, str]]:
    """Draw what the incident's rules look at; one that cannot be drawn is said and left out."""
    from opsbot.capacity_command import metrics_source
    from opsbot.postmortem.chart import draw, load_and_level, marks_of

    incident = view["incident"]
    begin = float(int(incident["opened_at"] - AROUND_S))
    end = float(int(min(time.time(), (incident["resolved_at"] or time.time()) + AROUND_S)))
    step = max(1.0, float(round((end - begin) / MOST_STEPS)))
    source = metrics_source(settings)
    by_name = {rule["name"]: rule for rule in rules}
    written: list[tuple[str, str]] = []
    for name in list(dict.fromkeys(alert["name"] for alert in view["alerts"]))[:MOST_CHARTS]:
        if name not in by_name:
            continue
        load, level = load_and_level(by_name[name]["query"])
        try:
            found = await source.query_range(load, begin, end, step)
        except SourceError as error:
            click.echo(f"no chart of {name}: {error}", err=True)
            continue
        own = [(one.labels, one.points) for one in found if _is_about(one.labels, view["alerts"]) and one.points]
        if not own:
            click.echo(f"no chart of {name}: there are no samples of that time any more", err=True)
            continue
        series = [(", ".join(f"{k}={v}" for k, v in sorted(labels.items())) or name, points) for labels, points in own]
        picture = f"{incident['incident_id']}-{name}.png"
        span = (begin, end)
        (folder / picture).write_bytes(draw(f"{name}: {load}", series, level, marks_of(view["timeline"]), span))
        written.append((f"{name}: {load}", picture))
    return written


def _is_about(labels: Mapping[str, str], alerts: Sequence[Json]) -> bool:
    """Whether a series belongs to one of the alerts."""
    return any(all(alert["labels"].get(name, value) == value for name, value in labels.items()) for alert in alerts)
