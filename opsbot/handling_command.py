"""`opsbot resolve`, `merge`, `unmerge`, `link`, `note` and `silence`: incidents as a whole, over core's API."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from opsbot.command_options import CONFIG_OPTION
from opsbot.config import load_settings
from opsbot.errors import ConfigError
from opsbot.yamlfile import parse_duration

if TYPE_CHECKING:
    from opsbot.client import CoreClient


@click.command()
@click.argument("incident_id")
@click.argument("reason")
@CONFIG_OPTION
def resolve(incident_id: str, reason: str, config_path: Path) -> None:
    """End INCIDENT_ID by hand, saying REASON; refused while an alert of it fires that no silence hides."""
    with _client(config_path) as client:
        click.echo(client.handle(incident_id, "resolve", {"reason": reason}))


@click.command()
@click.argument("incident_id")
@click.argument("into")
@CONFIG_OPTION
def merge(incident_id: str, into: str, config_path: Path) -> None:
    """Deal with INCIDENT_ID under the incident INTO; `opsbot unmerge` takes it back."""
    with _client(config_path) as client:
        click.echo(client.handle(incident_id, "merge", {"into": into}))


@click.command()
@click.argument("incident_id")
@CONFIG_OPTION
def unmerge(incident_id: str, config_path: Path) -> None:
    """Deal with INCIDENT_ID by itself again."""
    with _client(config_path) as client:
        click.echo(client.handle(incident_id, "unmerge"))


@click.command()
@click.argument("incident_id")
@click.argument("other")
@click.argument("reason", default="")
@CONFIG_OPTION
def link(incident_id: str, other: str, reason: str, config_path: Path) -> None:
    """Say that INCIDENT_ID and OTHER have to do with each other, and REASON why."""
    with _client(config_path) as client:
        click.echo(client.handle(incident_id, "link", {"other": other, "reason": reason}))


@click.command()
@click.argument("incident_id")
@click.argument("words", nargs=-1, required=True)
@CONFIG_OPTION
def note(incident_id: str, words: tuple[str, ...], config_path: Path) -> None:
    """Add WORDS to the timeline of INCIDENT_ID, with your name; the postmortem has them too."""
    with _client(config_path) as client:
        click.echo(client.handle(incident_id, "note", {"text": " ".join(words), "request_id": uuid4().hex}))


@click.group("silence")
def silence_group() -> None:
    """Let alerts open nothing for a time: what they are about is kept, counted, and comes back at the end."""


@silence_group.command("add")
@click.argument("matchers", nargs=-1, required=True)
@click.option("--for", "length", required=True, help="How long, such as 30m or 2h.")
@click.option("--reason", required=True, help="Why: who reads it at 4 a.m. was not there.")
@CONFIG_OPTION
def add_silence(matchers: tuple[str, ...], length: str, reason: str, config_path: Path) -> None:
    """Hide new alerts whose labels fit all MATCHERS, such as alertname="TargetDown" or cluster=~"eu-.*"."""
    try:
        length_s = parse_duration(length)
    except ValueError as error:
        raise ConfigError(f"--for: {error}") from error
    with _client(config_path) as client:
        click.echo(client.silence(matchers, length_s, reason))


@silence_group.command("list")
@CONFIG_OPTION
def list_silences(config_path: Path) -> None:
    """List live silences: whose, why, until when, and what each hides."""
    with _client(config_path) as client:
        found = client.silences()
    for silence in found:
        click.echo(format_silence(silence))
    if not found:
        click.echo("nothing is silenced")


@silence_group.command("end")
@click.argument("silence_id")
@CONFIG_OPTION
def end_silence(silence_id: str, config_path: Path) -> None:
    """End SILENCE_ID before its time; what of it still fires opens an incident."""
    with _client(config_path) as client:
        click.echo(client.end_silence(silence_id))


def format_silence(silence: Mapping[str, Any]) -> str:
    """One silence as two plain lines."""
    from opsbot.clock import to_rfc3339

    until = to_rfc3339(silence["ends_at"])
    return (
        f"{silence['silence_id']}  {', '.join(silence['matchers'])}  until {until}  "
        f"hides {silence['num_hiding']} now, {silence['num_hidden']} in all\n"
        f"  {silence['created_by']}: {silence['reason']}"
    )


def _client(config_path: Path) -> CoreClient:
    from opsbot.client import CoreClient

    return CoreClient.from_settings(load_settings(config_path), os.environ)
