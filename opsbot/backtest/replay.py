"""The loop of a backtest: window after window is read, and each instant in it evaluated and judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from opsbot.alert.alert import Alert, Severity
from opsbot.alert.severity import to_severity
from opsbot.backtest.finding import Backtest, Gap, RuleSight, Stretch
from opsbot.backtest.judge import Judge, TooManyError
from opsbot.backtest.steps import Window, num_steps, windows
from opsbot.clock import to_rfc3339
from opsbot.rule.model import Rule

Progress = Callable[[float], None]
"""Told how much is done, from 0 to 1."""


class Replay(Protocol):
    """Rules over one source of recorded samples; windows come in order, and so do the instants in them."""

    @property
    def gaps(self) -> Sequence[Gap]:
        """When nobody watched."""
        ...

    def most_steps(self, resolution_s: float, step_s: float) -> int:
        """How many instants a window may have."""
        ...

    async def load(self, window: Window) -> None:
        """Read a window; raises SourceError."""
        ...

    async def round(self, now: float) -> list[Alert]:
        """Every alert that fires at *now*, and those that have just ended."""
        ...

    def finish(self, until_s: float) -> None:
        """Nothing comes after *until_s*."""
        ...

    def sights(self, resolutions: Sequence[float]) -> Mapping[str, RuleSight]:
        """How well each rule was seen."""
        ...

    def notes(self, resolutions: Sequence[float]) -> list[str]:
        """What is to be known beside that."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """What is evaluated, and where its samples are from.

    Args:
        is_sampled: each part's resolution is that of its samples; else nobody knows how far apart they are.
    """

    parts: Sequence[Stretch]
    source: str
    notes: Sequence[str] = ()
    is_sampled: bool = True


async def backtest(
    replays: Sequence[Replay], rules: Sequence[Rule], judge: Judge, span: Span, progress: Progress
) -> Backtest:
    """Evaluate all of *span*; what makes too many episodes ends early and says so.

    Raises: SourceError.
    """
    since_s, until_s = span.parts[0].begins_at, span.parts[-1].ends_at
    notes = list(span.notes)
    done, total = 0, max(1, num_steps(span.parts))
    before_s: float | None = None
    try:
        for part in span.parts:
            most = min(replay.most_steps(part.resolution_s, part.step_s) for replay in replays)
            for window in windows([part], most):
                for replay in replays:
                    await replay.load(window)
                for now in window.times:
                    if before_s is not None and now <= before_s:
                        continue
                    told = [alert for replay in replays for alert in await replay.round(now)]
                    judge.take(told, now, now - before_s if before_s is not None else 0.0)
                    before_s = now
                done += window.count
                progress(min(1.0, done / total))
    except TooManyError:
        until_s = before_s if before_s is not None else since_s
        notes.insert(
            0,
            f"Evaluation ended at {to_rfc3339(until_s)}: there were more than {judge.max_episodes} episodes. Correct "
            "the noisiest rule below, or ask for less time.",
        )
    resolutions = [part.resolution_s for part in span.parts]
    sights: dict[str, RuleSight] = {}
    for replay in replays:
        replay.finish(until_s)
        notes += replay.notes(resolutions)
        for name, sight in replay.sights(resolutions).items():
            sights[name] = sights[name].and_also(sight) if name in sights else sight
    if judge.num_untold_trends:
        notes.append(
            f"{judge.num_untold_trends} incidents ended although their alerts have `all_clear`: trends are not judged "
            "here, and core may have held them open."
        )
    return Backtest(
        since_s=since_s,
        until_s=until_s,
        source=span.source,
        stretches=span.parts,
        gaps=sorted((gap for replay in replays for gap in replay.gaps), key=lambda gap: gap.begins_at),
        episodes=judge.episodes,
        sights=sights,
        severities={rule.name: severity_of(rule) for rule in rules},
        num_incidents=judge.num_incidents,
        notes=notes,
        is_sampled=span.is_sampled,
    )


def severity_of(rule: Rule) -> Severity:
    """What its alerts are to us."""
    return to_severity(rule.labels.get("severity", "")) or "medium"
