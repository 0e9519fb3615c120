"""`python -m serving_stub prompts`: checks a library of fallback prompts and tells the hashes that leases pin."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from serving_stub.errors import ServingError
from serving_stub.frontdoor.prompt_library import SHIPPED, load_library

_WRONG_SETTING = 2


@click.command()
@click.option(
    "--folder", type=click.Path(path_type=Path), default=SHIPPED, help="Folder of the library [default: as shipped]."
)
def prompts(folder: Path) -> None:
    """List the fallback prompts: id, mode, hash and title."""
    try:
        library = load_library(folder)
    except ServingError as error:
        click.echo(str(error), err=True)
        sys.exit(_WRONG_SETTING)
    for prompt in sorted(library.prompts.values(), key=lambda one: one.id):
        click.echo(f"{prompt.id}  {prompt.mode}  {prompt.sha256}  {prompt.title}")
