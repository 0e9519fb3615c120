"""`opsbot import`: takes over what others have written."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from opsbot.alert.alert import SEVERITIES, Severity
from opsbot.errors import ConfigError


@click.group("import")
def import_group() -> None:
    """Take over files that were written for other programs."""


@import_group.command("prometheus-rules")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("policies/alerts"),
    show_default=True,
    help="The folder to write to.",
)
@click.option(
    "--severity",
    "pairs",
    multiple=True,
    metavar="THEIRS=OURS",
    help="What a value of the label `severity` is to us: page=critical. An empty THEIRS is for alerts without one.",
)
def prometheus_rules(file: Path, out: Path, pairs: tuple[str, ...]) -> None:
    """Take over FILE, Prometheus's rules: write those that load, and say of each other one what it needs.

    Exit status 1 if some do not load.
    """
    from opsbot.rule.prometheus_import import import_rules

    found = import_rules(file, _severities(pairs))
    for problem in found.problems:
        click.echo(problem)
    for report in found.reports:
        place = f"{report.place.path}:{report.place.line}:{report.place.column}"
        given = f" (severity: {report.severity})" if report.severity is not None else ""
        click.echo(f"{place}: {report.place.message}: {'does not load' if report.problems else 'loads' + given}")
        for problem in report.problems:
            click.echo(f"  {problem}")
    num_loaded = sum(not report.problems for report in found.reports)
    summary = f"{num_loaded} of {len(found.reports)} rules load"
    if found.content is not None:
        target = out / f"{file.stem}.yaml"
        if target.exists():
            raise ConfigError(f"{target} is there already; name another folder with --out")
        out.mkdir(parents=True, exist_ok=True)
        head = f"Taken over from {file.name} by `opsbot import prometheus-rules`: {summary}."
        target.write_text(found.text(head), encoding="utf-8")
        summary += f"; wrote {target}"
    click.echo(summary)
    if not found.is_whole:
        sys.exit(1)


def _severities(pairs: tuple[str, ...]) -> Mapping[str, Severity]:
    found: dict[str, Severity] = {}
    for pair in pairs:
        theirs, _, ours = pair.partition("=")
        known = next((severity for severity in SEVERITIES if severity == ours), None)
        if known is None:
            raise click.BadParameter(f"{pair!r}: after '=' stands one of {', '.join(SEVERITIES)}")
        found[theirs] = known
    return found
