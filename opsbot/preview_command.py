"""`opsbot preview`: what would happen if you did it now; and the question that risky commands ask at a terminal."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsbot.command_options import CONFIG_OPTION
from opsbot.run_options import client_of

if TYPE_CHECKING:
    from opsbot.client import CoreClient

VERBS = ("approve", "glass", "start", "undo", "cancel", "object", "go_now", "resolve", "stop_all", "go_on")
YES_OPTION = click.option("--yes", is_flag=True, help="Do not ask at the terminal.")


@click.command()
@click.argument("verb", type=click.Choice(VERBS))
@click.argument("reference", default="")
@click.option("--cluster", default="", help="With `start`: what the run is about.")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="With `start`: an input; may be repeated.")
@click.option("--incident", default=None, metavar="INC-1", help="With `start`: for this incident.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@CONFIG_OPTION
def preview(
    verb: str,
    reference: str,
    cluster: str,
    given: tuple[str, ...],
    incident: str | None,
    as_json: bool,
    config_path: Path,
) -> None:
    """Say what VERB would do to REFERENCE now, step by step, with what is in force; change nothing."""
    from opsbot.run_command import pair

    asked: dict[str, Any] = {"verb": verb, "reference": reference}
    if verb == "start":
        inputs = dict(pair(text) for text in given)
        asked = {"verb": verb, "runbook": reference, "cluster": cluster, "inputs": inputs, "incident": incident}
    with client_of(config_path) as client:
        found = client.tell("POST", "/api/v1/previews", asked)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _show(found)


def is_wanted(client: CoreClient, asked: Mapping[str, Any], yes: bool) -> bool:
    """Show the plan at a terminal and ask; a script has said already what it wants.

    Raises: what doing it would raise.
    """
    if yes or not sys.stdin.isatty():
        return True
    _show(client.tell("POST", "/api/v1/previews", asked))
    if click.confirm("Do it?", default=False):
        return True
    click.echo("Nothing was done.")
    return False


def _show(found: Mapping[str, Any]) -> None:
    from opsbot.preview_text import preview_lines

    for line in preview_lines(found, min(120, shutil.get_terminal_size((100, 24)).columns)):
        click.echo(line)
