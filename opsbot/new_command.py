"""`opsbot new`: a runbook to begin from, and its tests beside it."""

from __future__ import annotations

import os
import re
from importlib.resources import files
from pathlib import Path

import click

from opsbot.errors import ConfigError

TEMPLATES = ("kv-cache", "blank")
SCHEMA = Path("docs/schema/runbook.json")


@click.command()
@click.argument("name")
@click.option(
    "--template", type=click.Choice(TEMPLATES), default="blank", show_default=True, help="What to begin from."
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runbooks"),
    show_default=True,
    help="Where the files go; one that `runbooks` in the settings names.",
)
def new(name: str, template: str, folder: Path) -> None:
    """Write FOLDER/NAME.yaml and NAME.test.yaml, which pass `opsbot check` as they are. Nothing is overwritten."""
    for path in scaffold(name, template, folder):
        click.echo(f"wrote {path}")
    click.echo(
        f"next: edit it, then opsbot check {folder / f'{name}.yaml'}, then opsbot plan {folder / f'{name}.yaml'}"
    )


def scaffold(name: str, template: str, folder: Path) -> tuple[Path, Path]:
    """Write the two files.

    Raises: ConfigError if the name cannot be a runbook's, or one of the files is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,63}", name):
        raise ConfigError(
            f"{name!r} cannot be a runbook's name: take lower-case letters, digits and `-`, beginning with a letter"
        )
    paths = folder / f"{name}.yaml", folder / f"{name}.test.yaml"
    for path in paths:
        if path.exists():
            raise ConfigError(f"{path} is there already; take another name, or edit that file")
    folder.mkdir(parents=True, exist_ok=True)
    schema = Path(os.path.relpath(SCHEMA, folder)).as_posix()
    heads = f"# yaml-language-server: $schema={schema}\n", ""
    for path, head, suffix in zip(paths, heads, (".yaml", ".test.yaml"), strict=True):
        text = files("opsbot.runbook").joinpath("templates", f"{template}{suffix}").read_text(encoding="utf-8")
        title = name.replace("-", " ").capitalize()
        # A file that somebody else writes at this moment is not overwritten either.
        with path.open("x", encoding="utf-8") as file:
            file.write(head + text.replace("NAME", name).replace("TITLE", title))
    return paths
