"""A run as a person watches it in a terminal: one panel that changes in place, and the summary as a table."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from serving_stub.traffic.report import Line, Part, Percentiles, Summary
from serving_stub.traffic.tally import Tally

_MOST_ROWS = 12
_LATE_S = 0.05
"""From here on the generator's own lateness is worth a line."""


class LiveView:
    """The panel of one run; use it as a context."""

    def __init__(self, console: Console, title: str, duration_s: float, tally: Tally) -> None:
        self._console = console
        self._title = title
        self._duration_s = duration_s
        self._tally = tally
        self._sent_before = 0
        self._line_before_s = 0.0
        self._live = Live(Text("asking the server how it counts …"), console=console, refresh_per_second=4)

    def __enter__(self) -> LiveView:
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    def show(self, now_s: float) -> None:
        """Draw the run as it is."""
        rate = (self._tally.all.sent - self._sent_before) / max(1e-9, now_s - self._line_before_s)
        self._sent_before, self._line_before_s = self._tally.all.sent, now_s
        line = self._tally.line(now_s)
        self._live.update(progress(self._title, line, rate, self._duration_s, self._tally.all.errors))

    def end(self, summary: Summary) -> None:
        """Leave the summary on the screen instead of the panel."""
        self._live.update(report(summary))


def progress(title: str, line: Line, rate: float, duration_s: float, errors: Mapping[str, int]) -> RenderableType:
    """One second of a run."""
    table = Table.grid(padding=(0, 2))
    left_s = max(0.0, duration_s - line.t)
    table.add_row("rate", f"{rate:.1f}/s", "outstanding", str(line.outstanding))
    table.add_row("done", str(line.done), "skipped", str(line.skipped))
    table.add_row("TTFT p50", _seconds(line.ttft_p50), "p95", _seconds(line.ttft_p95))
    table.add_row("tokens/s", f"{line.tokens_per_s:.0f}", "time left", f"{left_s:.0f} s")
    failed = ", ".join(f"{reason} {count}" for reason, count in sorted(errors.items())) or "none"
    bar = ProgressBar(total=duration_s, completed=min(line.t, duration_s), width=60)
    return Panel(Group(table, Text(f"failed: {failed}"), bar), title=title, expand=False)


def report(summary: Summary) -> RenderableType:
    """A whole run."""
    times = Table(title=f"{summary.scenario}, {summary.t:.0f} s", title_justify="left")
    for heading in ("", "p50", "p90", "p95", "p99"):
        times.add_column(heading, justify="right" if heading else "left")
    for name, of in (
        ("time to first token", summary.ttft),
        ("between tokens", summary.itl),
        ("end to end", summary.e2e),
    ):
        times.add_row(name, *_row(of))
    goodput = (
        f"goodput {summary.goodput:.2f}/s: {summary.met_slo} of {summary.sent} had the first token within "
        f"{summary.slo_ttft_s:g} s and 95 of 100 gaps within {summary.slo_itl_s:g} s"
    )
    counts = (
        f"sent {summary.sent} in {summary.attempts} attempts, done {summary.done}, failed {summary.failed}, "
        f"cancelled {summary.cancelled}, skipped {summary.skipped}; {summary.tokens_per_s:.0f} tokens/s"
    )
    parts: list[RenderableType] = [times, Text(goodput), Text(counts)]
    parts += [Text(f"{what}: {_counts(found)}") for what, found in _named(summary) if found]
    if (late_s := summary.late.p95 or 0.0) > _LATE_S:
        parts.append(Text(f"the generator itself was late, p95 {_seconds(late_s)}: this machine cannot send more"))
    parts += [_by(kind, groups) for kind, groups in summary.by.items()]
    return Group(*parts)


def _named(summary: Summary) -> list[tuple[str, Mapping[str, int]]]:
    return [("failed by kind", summary.errors), ("refused by reason", summary.refused)]


def _by(kind: str, groups: Mapping[str, Part]) -> RenderableType:
    table = Table(title=f"by {kind}", title_justify="left")
    for heading in (kind, "sent", "done", "failed", "attempts", "TTFT p50", "TTFT p95", "goodput/s"):
        table.add_column(heading, justify="left" if heading == kind else "right")
    largest = sorted(groups.items(), key=lambda item: -item[1].sent)
    for name, part in largest[:_MOST_ROWS]:
        counts = (part.sent, part.done, part.failed, part.attempts)
        table.add_row(name, *map(str, counts), _seconds(part.ttft.p50), _seconds(part.ttft.p95), f"{part.goodput:.2f}")
    if len(largest) > _MOST_ROWS:
        table.caption = f"and {len(largest) - _MOST_ROWS} more; --summary FILE has all"
    return table


def _row(of: Percentiles) -> list[str]:
    return [_seconds(value) for value in (of.p50, of.p90, of.p95, of.p99)]


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(found.items(), key=lambda item: -item[1]))


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"
