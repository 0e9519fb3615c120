"""`opsbot plan`: the one dry run. It asks servers and metrics what is so now, and calls nothing that writes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from opsbot.command_options import CONFIG_OPTION

STYLES: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "title": {"bold": True},
    "good": {"fg": "green"},
    "quiet": {"dim": True},
    "open": {"fg": "yellow"},
    "bad": {"fg": "red", "bold": True},
}


@click.command()
@click.argument("runbook")
@click.option("--alert", "alert_path", type=click.Path(path_type=Path, dir_okay=False), help="The alert, JSON or YAML.")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="An input's value; may be repeated.")
@click.option("--as", "user", metavar="USER", help="Whose rights to tell; without --alert, also who asks for the run.")
@click.option("--drill", is_flag=True, help="Plan it as part of a drill.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@CONFIG_OPTION
def plan(
    runbook: str,
    alert_path: Path | None,
    given: tuple[str, ...],
    user: str | None,
    drill: bool,
    as_json: bool,
    config_path: Path,
) -> None:
    """Say what RUNBOOK (a file, or the id of one in force) would do now, step by step, and change nothing.

    Exit status 0 if it could run, 1 if something is in the way.
    """
    from opsbot.config import load_settings
    from opsbot.planning import planned

    settings = load_settings(config_path)
    found = asyncio.run(planned(settings, runbook, os.environ, alert_path, given, user, is_drill=drill))
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
    else:
        from opsbot.runbook.dry_text import lines

        for line in lines(found, min(120, shutil.get_terminal_size((100, 24)).columns)):
            click.echo(click.style(line.text, **STYLES[line.tone]))
    if found.all_problems:
        sys.exit(1)
