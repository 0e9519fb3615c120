"""`opsbot check` and `opsbot schema`: what files may say, and whether they do."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from opsbot.command_options import CONFIG_OPTION


@click.command()
@CONFIG_OPTION
def check(config_path: Path) -> None:
    """Check settings, runbooks and alert rules; print every problem of every file as file:line:column: message."""
    from opsbot.check import check_files

    problems, count = check_files(config_path)
    for problem in problems:
        click.echo(problem)
    if problems:
        click.echo(f"{_counted(len(problems), 'problem')} in {_counted(count, 'file')}", err=True)
        sys.exit(1)
    click.echo(f"{_counted(count, 'file')}, no problems")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("docs/schema"))
def schema(folder: Path) -> None:
    """Write the JSON Schemas of settings, runbooks and alert rules to FOLDER."""
    from opsbot.check import schemas

    folder.mkdir(parents=True, exist_ok=True)
    for name, content in schemas().items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        click.echo(f"wrote {path}")


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
