"""Words of `/ops` that the command line knows by another name, or as a part of another command; the same is done."""

from __future__ import annotations

from pathlib import Path

import click

from opsbot.command_options import CONFIG_OPTION
from opsbot.halt_command import stop_all
from opsbot.handling_command import end_silence, list_silences
from opsbot.incident_command import explain
from opsbot.run_control_command import offer_capacity
from opsbot.run_options import path_of, say


@click.command()
@click.argument("approval_id")
@click.argument("reason")
@CONFIG_OPTION
def glass(approval_id: str, reason: str, config_path: Path) -> None:
    """Approve APPROVAL_ID alone, against its rules; commanders only, loud, and reviewed."""
    say(config_path, "POST", path_of("approvals", approval_id), {"decision": "grant", "glass_reason": reason})


def _alias(name: str, command: click.Command) -> click.Command:
    """The same command under another name."""
    return click.Command(name, params=command.params, callback=command.callback, help=command.help)


why = _alias("why", explain)
stop = _alias("stop", stop_all)
offer = _alias("offer", offer_capacity)
silences = _alias("silences", list_silences)
unsilence = _alias("unsilence", end_silence)


@click.command("help")
@click.argument("verb", nargs=-1)
@click.option("--markdown", is_flag=True, help="Print the tables of docs/commands.md.")
def help_(verb: tuple[str, ...], markdown: bool) -> None:
    """List what people do, as `/ops help` does; or one VERB with examples."""
    from opsbot.errors import NotFoundError
    from opsbot.spoken.verbs import GROUPS, VERBS, find_verb, suggested

    if markdown:
        from opsbot.spoken.page import tables

        click.echo(tables(), nl=False)
        return
    if not verb:
        for group in GROUPS:
            click.echo(f"{group}")
            for one in VERBS:
                if one.group == group:
                    click.echo(f"  {one.in_command_line:<15} {one.says}")
        click.echo("`opsbot --help` lists every command, also those that start and check the bot")
        return
    found, _ = find_verb(" ".join(verb))
    if found is None:
        near = suggested(verb[0])
        raise NotFoundError(f"there is no {' '.join(verb)}" + (f", did you mean {near.name}?" if near else ""))
    click.echo(f"opsbot {found.in_command_line} {found.usage}\n{found.says[:1].upper()}{found.says[1:]}.")
    for typed, what in found.examples:
        click.echo(f"  /ops {typed}\n      {what}")
