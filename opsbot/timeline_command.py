"""`opsbot incident`: one incident with its whole timeline, for whoever cannot read it in Slack."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from opsbot.client import CoreClient, format_incident
from opsbot.clock import to_minute
from opsbot.command_options import CONFIG_OPTION
from opsbot.config import load_settings


@click.command()
@click.argument("incident_id")
@CONFIG_OPTION
def incident(incident_id: str, config_path: Path) -> None:
    """Show INCIDENT_ID with its whole timeline, also what Slack has not said yet."""
    with CoreClient.from_settings(load_settings(config_path), os.environ) as client:
        view = client.incident(incident_id.upper())
    click.echo(format_incident(view))
    now = time.time()
    for entry in view["timeline"]:
        who = "" if entry["actor"] == "opsbot" else f"{entry['actor']}: "
        click.echo(f"  {to_minute(entry['at'], now)}  {who}{entry['text']}")
