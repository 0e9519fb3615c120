"""`opsbot up`, and the roles one by one: `core`, `watch`, `events` and `workspace`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from opsbot.command_options import CONFIG_OPTION, EXIT_WITH_PARENT_OPTION
from opsbot.config import Settings, load_settings
from opsbot.config_secrets import Secrets, load_secrets
from opsbot.supervisor import leave_with_parent


@click.command()
@CONFIG_OPTION
def up(config_path: Path) -> None:
    """Start the whole bot: core, watch, events, and the local workspace when no Slack tokens are set."""
    from opsbot.app import run_up

    settings, secrets = _prepare("up", config_path)
    asyncio.run(run_up(settings, secrets, config_path))


@click.command()
@CONFIG_OPTION
@EXIT_WITH_PARENT_OPTION
def core(config_path: Path, exit_with_parent: bool) -> None:
    """Start the core role alone: incidents, runs, Slack, web."""
    from opsbot.app import run_core

    settings, secrets = _prepare("core", config_path, exit_with_parent=exit_with_parent)
    asyncio.run(run_core(settings, secrets))


@click.command()
@CONFIG_OPTION
@EXIT_WITH_PARENT_OPTION
def watch(config_path: Path, exit_with_parent: bool) -> None:
    """Start the watch role alone: scraping and alert rules."""
    from opsbot.app import run_watch_role

    settings, secrets = _prepare("watch", config_path, exit_with_parent=exit_with_parent)
    asyncio.run(run_watch_role(settings, secrets))


@click.command()
@CONFIG_OPTION
@EXIT_WITH_PARENT_OPTION
def events(config_path: Path, exit_with_parent: bool) -> None:
    """Start the events role alone: the request log."""
    from opsbot.app import run_events_role

    settings, secrets = _prepare("events", config_path, exit_with_parent=exit_with_parent)
    asyncio.run(run_events_role(settings, secrets))


@click.command()
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
