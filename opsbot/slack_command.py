"""`opsbot slack`: the app's manifest, and a check of everything between the bot and Slack."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from opsbot.command_options import CONFIG_OPTION
from opsbot.errors import ConfigError

EXAMPLE_URL = "https://opsbot.example.com/slack/events"


@click.group("slack")
def slack_group() -> None:
    """Set up and check the connection to Slack."""


@slack_group.command("manifest")
@click.option("--mode", type=click.Choice(["socket", "http"]), default="socket", show_default=True)
@click.option("--url", default="", help="HTTP mode: the public address of the request URL, with https.")
def manifest(mode: str, url: str) -> None:
    """Print the manifest from which the Slack app is created."""
    from opsbot.slack.manifest import manifest_text

    if mode == "http" and not url.startswith("https://"):
        raise ConfigError(f"--url is the public address of the request URL, such as {EXAMPLE_URL}; Slack wants https")
    if mode == "socket" and url:
        raise ConfigError("--url is for --mode http: in Socket Mode Slack calls no address")
    click.echo(manifest_text(url), nl=False)


@slack_group.command("check")
@CONFIG_OPTION
@click.option("--url", default="", help="HTTP mode: the public address of the request URL, which is asked too.")
def check(config_path: Path, url: str) -> None:
    """Sign in, listen, look at channels, scopes and user groups; says what works and what to do about what does not.

    Posts nothing. The bot may run meanwhile.
    """
    from opsbot.config import load_settings
    from opsbot.config_secrets import load_secrets
    from opsbot.slack.check import CheckedPeople, check_slack
    from opsbot.slack_place import base_url, slack_settings

    settings = load_settings(config_path)
    place = slack_settings(settings, load_secrets(settings), base_url(settings, os.environ))
    people = CheckedPeople(
        tuple(one.user_group for one in settings.people if one.user_group),
        tuple(one.email for one in settings.people if one.email),
    )
    click.echo(place.place)
    num_wrong = 0
    for line in asyncio.run(check_slack(place, people, url)):
        click.echo(line.text)
        num_wrong += not line.is_good
    if num_wrong:
        click.echo(f"{num_wrong} thing{'s' if num_wrong > 1 else ''} to do; docs/slack.md has the steps", err=True)
        sys.exit(1)
