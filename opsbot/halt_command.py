"""`opsbot stop-all`, `go-on`, `hold`, `holds` and `unhold`: a person's hand on every run, or on some knobs."""

from __future__ import annotations

from pathlib import Path

import click

from opsbot.command_options import CONFIG_OPTION
from opsbot.preview_command import YES_OPTION
from opsbot.run_options import client_of, say


@click.command("stop-all")
@click.argument("reason")
@YES_OPTION
@CONFIG_OPTION
def stop_all(reason: str, yes: bool, config_path: Path) -> None:
    """Let no run change anything by itself until `opsbot go-on`; commanders only."""
    say(config_path, "POST", "/api/v1/halt", {"reason": reason}, asked={"verb": "stop_all"}, yes=yes)


@click.command("go-on")
@YES_OPTION
@CONFIG_OPTION
def go_on(yes: bool, config_path: Path) -> None:
    """Lift what `opsbot stop-all` has set; commanders only."""
    say(config_path, "DELETE", "/api/v1/halt", asked={"verb": "go_on"}, yes=yes)


@click.command()
@click.argument("pattern", metavar="CLUSTER/KNOB")
@click.argument("reason")
@click.option("--for", "length", required=True, help="How long, such as 30m or 1h; at most 1d.")
@CONFIG_OPTION
def hold(pattern: str, reason: str, length: str, config_path: Path) -> None:
    """Let no run turn CLUSTER/KNOB for a time; `*` stands for any: eu-1/*, */batch_limit."""
    from opsbot.errors import ConfigError
    from opsbot.yamlfile import parse_duration

    try:
        length_s = parse_duration(length)
    except ValueError as error:
        raise ConfigError(f"--for: {error}") from error
    say(config_path, "POST", "/api/v1/holds", {"pattern": pattern, "length_s": length_s, "reason": reason})


@click.command()
@CONFIG_OPTION
def holds(config_path: Path) -> None:
    """List the knobs that people hold: whose, until when, and why."""
    from opsbot.clock import to_rfc3339

    with client_of(config_path) as client:
        found = client.ask("/api/v1/holds")["holds"]
    for one in found:
        until = to_rfc3339(one["ends_at"]).partition(".")[0].rstrip("Z") + "Z"
        click.echo(f"{one['number']}  {one['pattern']}  until {until}  {one['created_by']}: {one['reason']}")
    if not found:
        click.echo("nobody holds a knob")


@click.command()
@click.argument("number", type=click.IntRange(min=1))
@CONFIG_OPTION
def unhold(number: int, config_path: Path) -> None:
    """Lift hold NUMBER before its time."""
    say(config_path, "DELETE", f"/api/v1/holds/{number}")
