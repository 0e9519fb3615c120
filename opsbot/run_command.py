"""`opsbot run`, `runs` and `retry`: runbooks by hand, over core's API."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from opsbot.command_options import CONFIG_OPTION
from opsbot.preview_command import is_wanted
from opsbot.run_options import client_of, path_of

if TYPE_CHECKING:
    from opsbot.client import CoreClient

POLL_S = 0.5
FIRST_TRIES = 3


@click.command()
@click.argument("runbook")
@click.option("--cluster", default="", help="What it is about; of an incident, that one's cluster unless given.")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="An input of the runbook; may be repeated.")
@click.option("--incident", default=None, metavar="INC-1", help="Run it for this incident instead of one of its own.")
@click.option("--wait", is_flag=True, help="Follow the steps until it holds or ends; exit 1 unless it went well.")
@click.option("--standalone", is_flag=True, help="Run it here to its end, durably, without a bot.")
@click.option(
    "--yes", is_flag=True, help="Do not ask at the terminal; with --standalone: approve whatever you may approve."
)
@click.option(
    "--hold",
    "hold",
    default=None,
    metavar="10m",
    help="With --standalone: hold what was set so long; else till Ctrl-C.",
)
@CONFIG_OPTION
def run(
    runbook: str,
    cluster: str,
    given: tuple[str, ...],
    incident: str | None,
    wait: bool,
    standalone: bool,
    yes: bool,
    hold: str | None,
    config_path: Path,
) -> None:
    """Start RUNBOOK by hand; prints the run's name at once."""
    inputs = dict(pair(text) for text in given)
    if standalone:
        sys.exit(_alone(runbook, cluster, inputs, yes, hold, config_path))
    # Made here, so that asking again after an answer that was lost is still one run.
    body = {"runbook": runbook, "cluster": cluster, "inputs": inputs, "incident": incident, "request_id": uuid4().hex}
    with client_of(config_path) as client:
        asked = {"verb": "start", **{name: one for name, one in body.items() if name != "request_id"}}
        if not is_wanted(client, asked, yes):
            return
        answer = _asked(client, body)
        click.echo(answer["message"])
        if wait:
            sys.exit(0 if follow(client, answer["run"]) else 1)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--from", "from_step", default=None, metavar="STEP", help="Begin with this step; from the start unless given."
)
@click.option("--wait", is_flag=True, help="Follow the steps until it holds or ends; exit 1 unless it went well.")
@CONFIG_OPTION
def retry(run_id: str, from_step: str | None, wait: bool, config_path: Path) -> None:
    """Repeat RUN, which is over, holds, or needs a person: same runbook as it was, same inputs."""
    with client_of(config_path) as client:
        answer = client.tell("POST", path_of("runs", run_id, "retry"), {"from_step": from_step})
        click.echo(answer["message"])
        if wait:
            sys.exit(0 if follow(client, answer["run"]) else 1)


@click.command()
@click.option("--all", "shows_all", is_flag=True, help="Those that are over too, newest first.")
@CONFIG_OPTION
def runs(shows_all: bool, config_path: Path) -> None:
    """List runs: what each is doing, what it asks, and what to type."""
    from opsbot.run_text import format_run, run_line

    with client_of(config_path) as client:
        halt = client.ask("/api/v1/halt")["halt"]
        found = client.ask("/api/v1/runs" + ("?state=all" if shows_all else ""))["runs"]
    if halt is not None:
        click.echo(f"ALL RUNS ARE STOPPED by {halt['created_by']}: {halt['reason']}; `opsbot go-on` lifts it")
    for one in found:
        click.echo(run_line(one) if shows_all else format_run(one))
    if not found:
        click.echo("no runs" if shows_all else "no runs under way; `opsbot runs --all` lists those that are over")


def follow(client: CoreClient, view: Mapping[str, Any]) -> bool:
    """Print what happens in a run until it holds or ends; answers whether it went well."""
    from opsbot.run_text import OVER, asked_lines, run_line, step_line

    said: set[str] = set()
    while True:
        lines = [step_line(step) for step in view["steps"] if step["state"] not in ("pending", "ready")]
        lines += asked_lines(view)
        if view["state"] in (*OVER, "holding", "needs_person") or view["paused_by"]:
            lines.append(run_line(view))
        for line in lines:
            if line not in said:
                click.echo(f"  {line}")
                said.add(line)
        if view["state"] in (*OVER, "holding", "needs_person"):
            return view["state"] in ("succeeded", "holding")
        time.sleep(POLL_S)
        view = client.ask(path_of("runs", view["run_id"]))


def _alone(
    runbook: str, cluster: str, inputs: Mapping[str, str], grants: bool, hold: str | None, config_path: Path
) -> int:
    import asyncio
    import os

    from opsbot.alone import Alone, Terminal, run_alone
    from opsbot.config import load_settings
    from opsbot.yamlfile import parse_duration

    def ask(question: str) -> bool | None:
        return click.confirm(question, default=False) if sys.stdin.isatty() else None

    if hold is not None:
        try:
            hold_s: float | None = parse_duration(hold)
        except ValueError as error:
            raise click.UsageError(f"--hold: {error}") from error
    else:
        hold_s = None if sys.stdin.isatty() else 0.0
    wanted = Alone(runbook, cluster, inputs, grants, hold_s)
    return asyncio.run(run_alone(load_settings(config_path), os.environ, wanted, Terminal(click.echo, ask)))


def _asked(client: CoreClient, body: dict[str, Any]) -> Mapping[str, Any]:
    from opsbot.errors import SourceError

    for tried in range(1, FIRST_TRIES + 1):
        try:
            return client.tell("POST", "/api/v1/runs", body)
        except SourceError as error:
            if not error.retryable or tried == FIRST_TRIES:
                raise
            time.sleep(POLL_S)
    raise AssertionError("the last try answers or raises")


def pair(text: str) -> tuple[str, str]:
    """`NAME=VALUE` of `--set`; raises ConfigError."""
    from opsbot.errors import ConfigError

    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ConfigError(f"--set {text}: write NAME=VALUE, such as --set batch_limit=8")
    return name.strip(), value
