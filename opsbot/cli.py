"""The command line: starts the roles, checks files, and asks core over HTTP.

Commands that concern a running bot are a thin client of core's API; heavy parts are imported by the command that
needs them, so that `--help` and `check` start at once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from pathlib import Path

import click

from opsbot import __version__, halt_command, run_control_command
from opsbot.capacity_command import capacity
from opsbot.config import DEFAULT_FILE, Secrets, Settings, load_secrets, load_settings
from opsbot.errors import OpsbotError
from opsbot.handling_command import link, merge, resolve, silence_group, unmerge
from opsbot.import_command import import_group
from opsbot.oncall_command import oncall
from opsbot.postmortem_command import postmortem
from opsbot.run_command import retry, run, runs
from opsbot.sources_command import sources
from opsbot.supervisor import leave_with_parent

CONFIG_OPTION = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_FILE,
    show_default=True,
    help="The settings file.",
)
EXIT_WITH_PARENT_OPTION = click.option(
    "--exit-with-parent", is_flag=True, hidden=True, help="Leave when standard input closes (used by `up`)."
)


class _Cli(click.Group):
    """Turns our own errors into one clear message and exit status 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except OpsbotError as error:
            click.echo(f"opsbot: {error}", err=True)
            ctx.exit(1)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from opsbot.yamlfile import suggest

            raise click.UsageError(error.message + suggest(args[0], self.list_commands(ctx)), ctx) from error


@click.group(cls=_Cli, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="opsbot")
def main() -> None:
    """An on-call bot for teams that serve large language models."""


main.add_command(capacity)
main.add_command(import_group)
for one in (resolve, merge, unmerge, link, silence_group, postmortem, oncall, sources):
    main.add_command(one)
for more in (run, runs, retry, *run_control_command.COMMANDS, *halt_command.COMMANDS):
    main.add_command(more)


def _prepare(role: str, config_path: Path, *, exit_with_parent: bool = False) -> tuple[Settings, Secrets]:
    from opsbot.logs.redact import secret_values
    from opsbot.logs.setup import configure_logging

    configure_logging(role)
    if exit_with_parent:
        leave_with_parent()
    settings = load_settings(config_path)
    hidden = secret_values(settings.model_dump(), os.environ)
    configure_logging(role, form=settings.logging.format, level=settings.logging.level, secrets=hidden)
    return settings, load_secrets(settings)


@main.command()
@CONFIG_OPTION
def up(config_path: Path) -> None:
    """Start the whole bot: core, watch, events, and the local workspace when no Slack tokens are set."""
    from opsbot.app import run_up

    settings, secrets = _prepare("up", config_path)
    asyncio.run(run_up(settings, secrets, config_path))


@main.command()
@CONFIG_OPTION
@EXIT_WITH_PARENT_OPTION
def core(config_path: Path, exit_with_parent: bool) -> None:
    """Start the core role alone: incidents, runs, Slack, web."""
    from opsbot.app import run_core

    settings, secrets = _prepare("core", config_path, exit_with_parent=exit_with_parent)
    asyncio.run(run_core(settings, secrets))


@main.command()
@CONFIG_OPTION
@EXIT_WITH_PARENT_OPTION
def watch(config_path: Path, exit_with_parent: bool) -> None:
    """Start the watch role alone: scraping and alert rules."""
    from opsbot.app import run_watch_role

    settings, secrets = _prepare("watch", config_path, exit_with_parent=exit_with_parent)
    asyncio.run(run_watch_role(settings, secrets))


@main.command()
@CONFIG_OPTION
@EXIT_WITH_PARENT_OPTION
def events(config_path: Path, exit_with_parent: bool) -> None:
    """Start the events role alone: the request log."""
    from opsbot.app import run_events_role

    settings, secrets = _prepare("events", config_path, exit_with_parent=exit_with_parent)
    asyncio.run(run_events_role(settings, secrets))


@main.command()
@CONFIG_OPTION
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port on loopback, instead of the file's.")
@EXIT_WITH_PARENT_OPTION
def workspace(config_path: Path, port: int | None, exit_with_parent: bool) -> None:
    """Start the local Slack-compatible workspace and print the address of its page."""
    from opsbot.app import run_workspace_role

    if exit_with_parent:
        leave_with_parent()
    settings = load_settings(config_path)
    asyncio.run(run_workspace_role(settings, port))


@main.command()
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


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("docs/schema"))
def schema(folder: Path) -> None:
    """Write the JSON Schemas of settings, runbooks and alert rules to FOLDER."""
    from opsbot.check import schemas

    folder.mkdir(parents=True, exist_ok=True)
    for name, content in schemas().items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        click.echo(f"wrote {path}")


@main.command()
@CONFIG_OPTION
def incidents(config_path: Path) -> None:
    """List the incidents that are not resolved, with what the bot is doing about each."""
    from opsbot.client import CoreClient, format_incident

    with CoreClient.from_settings(load_settings(config_path), os.environ) as client:
        found = client.open_incidents()
    if not found:
        click.echo("no open incidents")
    for incident in found:
        click.echo(format_incident(incident))


@main.command()
@click.argument("about")
@CONFIG_OPTION
def explain(about: str, config_path: Path) -> None:
    """Say why somebody was paged, or was not: ABOUT is an incident's id, an alert's name or a fingerprint."""
    from opsbot.client import CoreClient
    from opsbot.explain_command import explanation, watched_rules

    settings = load_settings(config_path)
    with CoreClient.from_settings(settings, os.environ) as client:
        core = client.explain(about)
    click.echo(explanation(about, core, watched_rules(settings)))


@main.command()
@click.argument("incident_id")
@CONFIG_OPTION
def ack(incident_id: str, config_path: Path) -> None:
    """Acknowledge INCIDENT_ID with your personal token."""
    from opsbot.client import CoreClient

    with CoreClient.from_settings(load_settings(config_path), os.environ) as client:
        click.echo(client.acknowledge(incident_id))


@main.command()
@click.option(
    "--headless", is_flag=True, help="Nobody watches: approve by itself, end by itself, exit 0 only if all was seen."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8065, show_default=True, help="Port of the page.")
@click.option("--seed", type=int, default=7, show_default=True, help="Seed of the traffic.")
@click.option(
    "--keep", is_flag=True, help="Leave everything running at the end until Ctrl-C (default when not headless)."
)
def demo(headless: bool, port: int, seed: int, keep: bool) -> None:
    """Run the whole loop on a real model: overload, incident, runbook, recovery, and everything put back."""
    from opsbot.demo.story import DemoOptions, run_demo

    logging.getLogger("httpx").setLevel(logging.WARNING)
    options = DemoOptions(is_headless=headless, port=port, seed=seed, is_kept=keep or not headless)
    sys.exit(asyncio.run(run_demo(options)))


@main.command()
@click.option("--headless", is_flag=True, help="Nobody watches: end by itself, exit 0 only if all was seen.")
@click.option("--port", type=click.IntRange(0, 65535), default=8100, show_default=True, help="Port of the fleet.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the load.")
def demo_fleet(headless: bool, port: int, seed: int) -> None:
    """Run a launch day over 24 simulated clusters: drains and limits, a lost region, capacity in tables and charts."""
    from opsbot.demo.fleet_story import FleetDemoOptions, run_fleet_demo

    logging.getLogger("httpx").setLevel(logging.WARNING)
    sys.exit(asyncio.run(run_fleet_demo(FleetDemoOptions(is_kept=not headless, port=port, seed=seed))))


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
