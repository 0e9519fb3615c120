"""`opsbot actions`: what steps of runbooks may use, as a page of Markdown; it needs no server."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("name", required=False)
@click.option(
    "--write",
    "page",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Bring a page up to date whose tables follow the marker, such as docs/actions.md.",
)
def actions(name: str | None, page: Path | None) -> None:
    """List what steps of runbooks may use; or show the action NAME alone."""
    from opsbot.action.plugin import load_plugins
    from opsbot.action.reference import BEGIN, reference
    from opsbot.action.registry import names_only
    from opsbot.clock import SystemClock
    from opsbot.runbook.action import ActionRegistry

    # A page of ours has ours alone; who asks in a terminal wants all that is installed.
    plugins = None if page is not None else load_plugins({}, SystemClock())
    registry = names_only(plugins.actions if plugins else ())
    if name is not None:
        registry = ActionRegistry([registry.get(name)])
    text = reference(registry)
    if page is None:
        click.echo(text)
        for problem in plugins.problems if plugins else ():
            click.echo(problem, err=True)
        return
    head, marker, _ = page.read_text(encoding="utf-8").partition(BEGIN)
    if not marker:
        raise click.UsageError(f"{page} has no line {BEGIN}")
    page.write_text(f"{head}{BEGIN}\n\n{text}", encoding="utf-8")
    click.echo(f"wrote {page}")
