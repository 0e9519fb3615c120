"""`opsbot test`: tests beside runbooks, performed in virtual time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsbot.command_options import CONFIG_OPTION

if TYPE_CHECKING:
    from opsbot.testing.expect import Verdict
    from opsbot.testing.session import Plan


@click.command("test")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("-k", "only", default="", metavar="TEXT", help="Only tests whose name, or whose file's, contains TEXT.")
@click.option("-v", "verbosity", count=True, help="A line for each test; twice: with its timeline.")
@click.option("--coverage", "is_covered", is_flag=True, help="Say which branches of each runbook no test has shown.")
@click.option(
    "--min-coverage",
    type=click.FloatRange(0, 100),
    default=None,
    metavar="PERCENT",
    help="Fail where a runbook's tests show less.",
)
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Write JUnit XML there.")
@CONFIG_OPTION
def test(
    paths: tuple[Path, ...],
    only: str,
    verbosity: int,
    is_covered: bool,
    min_coverage: float | None,
    junit: Path | None,
    config_path: Path,
) -> None:
    """Perform the tests beside runbooks, in virtual time and with mocked actions.

    Each PATH is a test file (NAME.test.yaml), a runbook with one beside it, or a folder of both. Without one, the
    folders of runbooks that the settings name are taken.
    """
    from opsbot.testing import report
    from opsbot.testing.session import covered, plan, run

    began = time.perf_counter()
    todo = plan(paths or _folders(config_path), only)
    for problem in todo.problems:
        click.echo(problem)
    if not todo.files and not todo.problems:
        raise click.UsageError("there are no tests" + (f" with {only!r} in their names" if only else ""))
    results: list[tuple[Path, tuple[Verdict, ...]]] = []
    bar = _progress(todo) if verbosity == 0 else nullcontext(lambda: None)
    with bar as advance:
        for file in todo.files:
            results.append((file.path, run(file, _teller(verbosity, advance))))
    verdicts = [one for _, of_file in results for one in of_file]
    if verbosity == 0:
        for one in verdicts:
            if not one.has_passed:
                click.echo("\n".join(report.failure(one)))
    if junit is not None:
        from opsbot.testing.junit import write

        write(junit, results)
    is_low = False
    if is_covered or min_coverage is not None:
        shown = covered(todo, verdicts)
        click.echo("\n".join(report.coverage_table(shown)))
        low = [one for one in shown if min_coverage is not None and one.percent < min_coverage]
        is_low = bool(low)
        for short in low:
            click.echo(f"{short.runbook_id}: {short.percent:.0f}% is less than {min_coverage:g}%", err=True)
    click.echo(report.summary(verdicts, len(results), time.perf_counter() - began))
    if todo.problems or is_low or not all(one.has_passed for one in verdicts):
        sys.exit(1)


def _folders(config_path: Path) -> tuple[Path, ...]:
    from opsbot.config import Settings, load_settings

    if config_path.exists():
        return tuple(load_settings(config_path).runbooks)
    default: tuple[Path, ...] = Settings.model_fields["runbooks"].default
    return default


def _teller(verbosity: int, advance: Callable[[], None]) -> Callable[[Verdict], None]:
    from opsbot.testing import report

    def tell(verdict: Verdict) -> None:
        advance()
        if verbosity == 0:
            return
        if not verdict.has_passed:
            click.echo("\n".join(report.failure(verdict)))
            return
        click.echo(report.line(verdict))
        if verbosity > 1:
            click.echo("\n".join(report.timeline(verdict)))

    return tell


class _progress:
    """A bar on a terminal; nothing elsewhere."""

    def __init__(self, plan: Plan) -> None:
        self._bar = click.progressbar(length=plan.num_tests, label="testing", file=sys.stderr)
        self._is_shown = sys.stderr.isatty() and plan.num_tests > 1

    def __enter__(self) -> Callable[[], None]:
        if not self._is_shown:
            return lambda: None
        bar = self._bar.__enter__()
        return lambda: bar.update(1)

    def __exit__(self, *error: object) -> None:
        if self._is_shown:
            self._bar.__exit__(None, None, None)
