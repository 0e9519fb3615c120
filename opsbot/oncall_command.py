"""`opsbot oncall`: who is on call, read from the file itself, so that it answers while nothing else does."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from opsbot.command_options import CONFIG_OPTION
from opsbot.config import load_settings
from opsbot.errors import ConfigError
from opsbot.oncall.loader import load_rota
from opsbot.oncall.model import Member
from opsbot.oncall.turn import Turn, turn

AT_HELP = "Ask about this time: 2026-03-29T02:30 in each schedule's own time zone, or with an offset or Z."


@click.command()
@click.option("--at", "at_text", default=None, help=AT_HELP)
@CONFIG_OPTION
def oncall(at_text: str | None, config_path: Path) -> None:
    """Say who is on call in each schedule, until when, and who is next."""
    path = load_settings(config_path).oncall
    if path is None:
        raise ConfigError(f"{config_path} names no rota: write `oncall: oncall.yaml`, and that file (docs/oncall.md)")
    rota, problems = load_rota(path)
    if rota is None:
        raise ConfigError(
            f"{path} cannot be used; a core that runs keeps the last good revision, which `/ops oncall` shows",
            tuple(str(problem) for problem in problems),
        )
    if not rota.schedules:
        click.echo(f"{path} has no schedules")
    for schedule in rota.schedules:
        click.echo(format_turn(turn(schedule, asked_time(at_text, schedule.zone))))


def asked_time(text: str | None, zone: ZoneInfo) -> float:
    """Seconds since the epoch of what `--at` says; now for None.

    Raises: ConfigError, with how to write it.
    """
    if text is None:
        return time.time()
    try:
        asked = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"--at: a time such as 2026-03-29T02:30 or 2026-03-29T00:30Z is needed, not {text!r}"
        ) from error
    return (asked if asked.tzinfo is not None else asked.replace(tzinfo=zone)).timestamp()


def format_turn(turn: Turn) -> str:
    """One schedule as two or three plain lines, times in its own zone."""
    now = f"  now   {_named(turn.member)}"
    lines = [f"{turn.schedule_id} ({turn.zone.key})", now]
    if turn.until is not None:
        lines[1] += f" until {_local(turn.until, turn.zone)}"
        lines.append(f"  next  {_named(turn.next_member)}")
    if turn.override is not None:
        begin, end = _local(turn.override.begins_at, turn.zone), _local(turn.override.ends_at, turn.zone)
        lines.append(f"  an override from {begin} to {end}")
    return "\n".join(lines)


def _named(member: Member | None) -> str:
    return "nobody" if member is None else f"{member.name} ({member.user_id})"


def _local(at: float, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone(zone).strftime("%a %Y-%m-%d %H:%M %Z")
