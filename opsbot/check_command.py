"""`opsbot check` and `opsbot schema`: what files may say, and whether they do."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from click.core import ParameterSource

from opsbot.check_paths import check_paths
from opsbot.command_options import CONFIG_OPTION


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@CONFIG_OPTION
@click.pass_context
def check(context: click.Context, paths: tuple[Path, ...], config_path: Path) -> None:
    """Check runbooks, alert rules, rotas and settings; print every problem as file:line:column: message.

    Each PATH is a file, or a folder whose YAML files are checked. Without one, the settings are checked and all that
    they name.
    """
    if not paths:
        from opsbot.check import check_files, check_notes

        for note in check_notes(config_path):
            click.echo(note, err=True)
        _tell(*check_files(config_path))
        return
    if context.get_parameter_source("config_path") is ParameterSource.COMMANDLINE:
        raise click.UsageError("name either files or --config: files are checked without the settings")
    _tell(*check_paths(paths))


def _tell(problems: list[str], count: int) -> None:
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
