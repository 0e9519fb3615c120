"""`opsbot incidents`, `explain`, `ack`, `approve` and `undo`: what happens now, over core's API."""

from __future__ import annotations

import os
from pathlib import Path

import click

from opsbot.client import CoreClient, format_incident
from opsbot.command_options import CONFIG_OPTION
from opsbot.config import load_settings
from opsbot.explain_command import explanation, watched_rules


@click.command()
@CONFIG_OPTION
def incidents(config_path: Path) -> None:
    """List the incidents that are not resolved, with what the bot is doing about each."""
    with CoreClient.from_settings(load_settings(config_path), os.environ) as client:
        found = client.open_incidents()
    if not found:
        click.echo("no open incidents")
    for incident in found:
        click.echo(format_incident(incident))


@click.command()
@click.argument("about")
@CONFIG_OPTION
def explain(about: str, config_path: Path) -> None:
    """Say why somebody was paged, or was not: ABOUT is an incident's id, an alert's name or a fingerprint."""
    settings = load_settings(config_path)
    with CoreClient.from_settings(settings, os.environ) as client:
        core = client.explain(about)
    click.echo(explanation(about, core, watched_rules(settings)))


@click.command()
@click.argument("incident_id")
@CONFIG_OPTION
def ack(incident_id: str, config_path: Path) -> None:
    """Acknowledge INCIDENT_ID with your personal token."""
    with CoreClient.from_settings(load_settings(config_path), os.environ) as client:
        click.echo(client.acknowledge(incident_id))
