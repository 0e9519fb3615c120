"""Shows the demo's progress: the checks with their evidence, and the server's numbers as they move.

On a terminal it is one live table; elsewhere, one line whenever something changes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from opsbot.demo.observe import ServerNumbers

BAR_WIDTH = 20


@dataclass(slots=True)
class Check:
    """One thing the demo must see happen, and the evidence once it has."""

    key: str
    title: str
    evidence: str | None = None
    seen_after_s: float | None = None

    @property
    def is_seen(self) -> bool:
        return self.evidence is not None


@dataclass(slots=True)
class Display:
    """The narration. Use as a context manager."""

    checks: list[Check]
    console: Console = field(default_factory=Console)
    headline: str = ""
    numbers: ServerNumbers | None = None
    started: float = field(default_factory=time.monotonic)
    _live: Live | None = None

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self._live = Live(get_renderable=self._render, console=self.console, refresh_per_second=4)
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)
            self._live = None

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.started

    def say(self, headline: str) -> None:
        """Tell what is going on now."""
        if headline != self.headline:
            self.headline = headline
            if self._live is None:
                line = f"[{self.elapsed_s:5.1f}s] {headline}"
                self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def saw(self, key: str, evidence: str) -> None:
        """Record that a check was seen; only the first evidence counts."""
        check = self.check(key)
        if check.is_seen:
            return
        check.evidence = evidence
        check.seen_after_s = self.elapsed_s
        if self._live is None:
            line = f"[{self.elapsed_s:5.1f}s] ✓ {check.title}: {evidence}"
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def print(self, text: str) -> None:
        """Print *text* as it is."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def report(self, failure: str, logs: str) -> None:
        """Say how it ended: all seen, or what was not, why it broke off, and where the logs are."""
        if not failure and not self.missing():
            self.print(f"All {len(self.checks)} checks were seen in {self.elapsed_s:.0f} s.")
            return
        if failure:
            self.print(f"The demo broke off: {failure}")
        for check in self.missing():
            self.print(f"  ✗ not seen: {check.title}")
        self.print(logs)

    def check(self, key: str) -> Check:
        """The check with that key."""
        return next(check for check in self.checks if check.key == key)

    def has_seen(self, key: str) -> bool:
        return self.check(key).is_seen

    def missing(self) -> list[Check]:
        """What has not been seen."""
        return [check for check in self.checks if not check.is_seen]

    def _render(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for check in self.checks:
            mark = Text("✓", style="bold green") if check.is_seen else Text("·", style="dim")
            after = f"{check.seen_after_s:5.1f}s" if check.seen_after_s is not None else ""
            table.add_row(
                mark,
                Text(check.title, style="" if check.is_seen else "dim"),
                Text(check.evidence or "", style="cyan"),
                Text(after, style="dim"),
            )
        parts: list[RenderableType] = [Spinner("dots", Text(self.headline, style="bold")), table]
        if self.numbers is not None:
            parts.append(Text(_numbers_line(self.numbers), style="yellow"))
        return Panel(Group(*parts), title=f"opsbot demo · {self.elapsed_s:.0f} s", border_style="blue")


def _numbers_line(numbers: ServerNumbers) -> str:
    filled = round(min(max(numbers.kv_usage, 0.0), 1.0) * BAR_WIDTH)
    bar = "█" * filled + "░" * (BAR_WIDTH - filled)
    return (
        f"KV cache {bar} {numbers.kv_usage:4.0%}   running {numbers.running:.0f} of {numbers.batch_limit:.0f}   "
        f"waiting {numbers.waiting:.0f}   preemptions {numbers.preemptions:.0f}"
    )
