"""`opsbot approve`, `refuse`, `cancel`, `pause` … : what people do with runs under way, over core's API."""

from __future__ import annotations

from pathlib import Path

import click

from opsbot.command_options import CONFIG_OPTION
from opsbot.preview_command import YES_OPTION
from opsbot.run_options import path_of, say


@click.command()
@click.argument("approval_id")
@click.option("--refuse", "is_refused", is_flag=True, hidden=True, help="As `opsbot refuse`.")
@click.option(
    "--glass", default=None, metavar="REASON", help="Approve alone, whatever it asks for; commanders only, and loud."
)
@YES_OPTION
@CONFIG_OPTION
def approve(approval_id: str, is_refused: bool, glass: str | None, yes: bool, config_path: Path) -> None:
    """Grant APPROVAL_ID (or what a RUN asks) with your personal token."""
    body: dict[str, object] = {"decision": "refuse" if is_refused else "grant", "glass_reason": glass}
    asked = None if is_refused else {"verb": "approve" if glass is None else "glass", "reference": approval_id}
    say(config_path, "POST", path_of("approvals", approval_id), body, asked=asked, yes=yes)


@click.command()
@click.argument("approval_id")
@CONFIG_OPTION
def refuse(approval_id: str, config_path: Path) -> None:
    """Refuse APPROVAL_ID with your personal token; nothing is changed."""
    say(config_path, "POST", path_of("approvals", approval_id), {"decision": "refuse"})


@click.command()
@click.argument("run_id", metavar="RUN")
@YES_OPTION
@CONFIG_OPTION
def undo(run_id: str, yes: bool, config_path: Path) -> None:
    """Take back what RUN has changed, with your personal token."""
    asked = {"verb": "undo", "reference": run_id}
    say(config_path, "POST", path_of("runs", run_id, "undo"), asked=asked, yes=yes)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("reason")
@YES_OPTION
@CONFIG_OPTION
def cancel(run_id: str, reason: str, yes: bool, config_path: Path) -> None:
    """Let RUN make no further step, and take back what it has set."""
    asked = {"verb": "cancel", "reference": run_id}
    say(config_path, "POST", path_of("runs", run_id, "cancel"), {"reason": reason}, asked=asked, yes=yes)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("reason")
@CONFIG_OPTION
def pause(run_id: str, reason: str, config_path: Path) -> None:
    """Let RUN begin nothing until `opsbot resume`; what it holds stays."""
    say(config_path, "POST", path_of("runs", run_id, "pause"), {"reason": reason})


@click.command()
@click.argument("run_id", metavar="RUN")
@CONFIG_OPTION
def resume(run_id: str, config_path: Path) -> None:
    """Let a paused RUN go on."""
    say(config_path, "POST", path_of("runs", run_id, "resume"))


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("step")
@click.argument("reason")
@CONFIG_OPTION
def skip(run_id: str, step: str, reason: str, config_path: Path) -> None:
    """Leave STEP of RUN out, which has not acted."""
    say(config_path, "POST", path_of("runs", run_id, "skip"), {"step": step, "reason": reason})


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("step")
@click.argument("outcome", type=click.Choice(["happened", "not"]))
@CONFIG_OPTION
def settle(run_id: str, step: str, outcome: str, config_path: Path) -> None:
    """Say whether STEP of RUN happened, whose outcome is unknown; if not, it is made once more."""
    body: dict[str, object] = {"step": step, "happened": outcome == "happened"}
    say(config_path, "POST", path_of("runs", run_id, "settle"), body)


@click.command("object")
@click.argument("announcement_id")
@click.argument("reason", default="")
@CONFIG_OPTION
def object_(announcement_id: str, reason: str, config_path: Path) -> None:
    """Object to ANNOUNCEMENT_ID: what it announces is not done."""
    say(config_path, "POST", path_of("announcements", announcement_id, "object"), {"reason": reason})


@click.command("go-now")
@click.argument("announcement_id")
@CONFIG_OPTION
def go_now(announcement_id: str, config_path: Path) -> None:
    """Do what ANNOUNCEMENT_ID announces at once; commanders only."""
    say(config_path, "POST", path_of("announcements", announcement_id, "go-now"))


@click.command("offer-capacity")
@click.argument("announcement_id")
@CONFIG_OPTION
def offer_capacity(announcement_id: str, config_path: Path) -> None:
    """Offer capacity for ANNOUNCEMENT_ID; the first offer doubles its countdown."""
    say(config_path, "POST", path_of("announcements", announcement_id, "capacity"))
