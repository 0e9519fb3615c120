"""`opsbot graph`: a runbook as a picture, or as Mermaid text."""

from __future__ import annotations

from pathlib import Path

import click

from opsbot.errors import ConfigError

FORMS = (".svg", ".png", ".mmd")


@click.command()
@click.argument("runbook", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"File to write, {', '.join(FORMS)} [default: Mermaid text to the terminal].",
)
def graph(runbook: Path, output: Path | None) -> None:
    """Draw RUNBOOK, a file: what starts it, its steps with approval, lease and verification, and every way out."""
    from opsbot.action.registry import names_only
    from opsbot.runbook.flow import flow
    from opsbot.runbook.flow_mermaid import mermaid
    from opsbot.runbook.loader import load_runbook

    if output is not None and output.suffix not in FORMS:
        raise click.BadParameter(f"{output} ends in none of {', '.join(FORMS)}", param_hint="--output")
    registry = names_only()
    loaded, problems = load_runbook(runbook, registry)
    if loaded is None:
        raise ConfigError(f"{runbook} cannot be used", tuple(str(problem) for problem in problems))
    content = flow(loaded, registry)
    if output is None:
        click.echo(mermaid(content), nl=False)
        return
    if output.suffix == ".mmd":
        output.write_text(mermaid(content), encoding="utf-8")
    else:
        from opsbot.runbook.flow_picture import draw

        output.write_bytes(draw(content, "svg" if output.suffix == ".svg" else "png"))
    click.echo(f"wrote {output}")
