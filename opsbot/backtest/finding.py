"""What a backtest finds, as values: episodes of alerts, incidents that page, runs, and what could not be seen.

Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opsbot.alert.alert import Severity


@dataclass(frozen=True, slots=True)
class Start:
    """One runbook that an alert asks for.

    Args:
        at: when it was asked for, or, if it starts, when it starts: a cooldown may be waited for.
        held_back: why it would not have started; empty if it would.
    """

    at: float
    runbook_id: str
    mode: str
    held_back: str = ""


@dataclass(frozen=True, slots=True)
class Episode:
    """One firing of one alert.

    Args:
        ends_at: None if it still fires at the end of what was evaluated.
        blind_s: how much of it there was no data to say whether it goes on.
        incident: its number within this backtest, from 1; None if it opened and joined none.
        hidden: why it belongs to no incident.
        paged_at: when it woke somebody, by opening an incident or making one worse.
    """

    name: str
    labels: Mapping[str, str]
    severity: Severity
    begins_at: float
    ends_at: float | None
    blind_s: float = 0.0
    incident: int | None = None
    hidden: str = ""
    paged_at: float | None = None
    starts: tuple[Start, ...] = ()

    def length_s(self, until_s: float) -> float:
        """How long it fired; one that goes on is counted until *until_s*."""
        return (until_s if self.ends_at is None else self.ends_at) - self.begins_at


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of which nothing is known, since nobody watched; *source* is who did not, where there are several."""

    begins_at: float
    ends_at: float
    source: str = ""


@dataclass(frozen=True, slots=True)
class RuleSight:
    """How well one rule was seen.

    Args:
        num_steps: how often it was evaluated where somebody watched.
        num_blind: how often there was no data at all to answer it.
        unseen: why it was not evaluated over a part or all of the time; empty if it was.
        unseen_at: the resolutions at which it was not.
        error: why it could not be evaluated; empty if it could.
    """

    num_steps: int = 0
    num_blind: int = 0
    unseen: str = ""
    error: str = ""
    unseen_at: tuple[float, ...] = ()

    def and_also(self, other: RuleSight) -> RuleSight:
        """Both together: the same rule over another source."""
        return RuleSight(
            self.num_steps + other.num_steps,
            self.num_blind + other.num_blind,
            self.unseen or other.unseen,
            self.error or other.error,
            self.unseen_at or other.unseen_at,
        )


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the time with one resolution of its samples, and how far apart its evaluations are."""

    begins_at: float
    ends_at: float
    resolution_s: float
    step_s: float


@dataclass(frozen=True, slots=True)
class Backtest:
    """All that was found.

    Args:
        since_s, until_s: what was evaluated, which may be less than what was asked for.
        source: where the samples come from, for people.
        notes: what else is to be known to read this right, a sentence each.
        num_incidents: how many would have opened.
        is_sampled: the stretches' resolution is that of the samples; else only the server knows it.
    """

    since_s: float
    until_s: float
    source: str
    stretches: Sequence[Stretch]
    gaps: Sequence[Gap]
    episodes: Sequence[Episode]
    sights: Mapping[str, RuleSight]
    severities: Mapping[str, Severity]
    num_incidents: int
    notes: Sequence[str] = ()
    is_sampled: bool = True

    @property
    def num_pages(self) -> int:
        """How many times somebody would have been woken."""
        return sum(episode.paged_at is not None for episode in self.episodes)


@dataclass(frozen=True, slots=True)
class RuleTotal:
    """One rule over the whole time; firing times of different labels add up."""

    name: str
    severity: Severity
    num_episodes: int
    num_pages: int
    num_starts: int
    num_held_back: int
    firing_s: float
    blind_s: float


def totals(found: Backtest) -> list[RuleTotal]:
    """Every rule, also those that never fired; the noisiest first."""
    by_name: dict[str, list[Episode]] = {name: [] for name in found.severities}
    for episode in found.episodes:
        by_name.setdefault(episode.name, []).append(episode)
    rows = [
        RuleTotal(
            name=name,
            severity=found.severities[name] if name in found.severities else own[0].severity,
            num_episodes=len(own),
            num_pages=sum(one.paged_at is not None for one in own),
            num_starts=sum(not start.held_back for one in own for start in one.starts),
            num_held_back=sum(bool(start.held_back) for one in own for start in one.starts),
            firing_s=sum(one.length_s(found.until_s) for one in own),
            blind_s=sum(one.blind_s for one in own),
        )
        for name, own in by_name.items()
    ]
    return sorted(rows, key=lambda row: (-row.num_pages, -row.num_episodes, -row.firing_s, row.name))
