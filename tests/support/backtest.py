"""Some hours of samples, and rules of every kind over them: for a live evaluation, a history file, a Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from opsbot.alert.alert import Alert, AlertState
from opsbot.history.file import Limits
from opsbot.promql.labelset import NAME, LabelSet, freeze
from opsbot.promql.samples import SampleStore
from opsbot.rule.book import RuleBook
from opsbot.source.scrape import SHEET
from opsbot.watch.durable import Durable
from opsbot.watch.evaluation import Evaluation
from tests.support.remote_write import Point, write
from tests.support.watching import StepClock, rule_text, write_rules

STEP_S = 10.0
LENGTH_S = 3 * 3600.0
CLUSTERS = ("eu-1", "us-1")

RULES = (
    rule_text("Busy", expr="load > 0.8", for_="2m", keep_firing_for="1m"),
    rule_text("Full", expr="load > 0.9", clear_expr="load < 0.5", clear_for="3m", severity="critical"),
    rule_text("Failing", expr="cluster:errors:ratio > 0.1", for_="1m"),
    rule_text("LongFailing", expr="sum by (cluster) (increase(errors_total[40m])) > 500", severity="low"),
    rule_text("Gone", expr="load > 2", no_data="fire", for_="1m", severity="medium"),
    rule_text("Strict", expr="load > 0.8", no_data="resolve", severity="low"),
    rule_text("Down", expr="up == 0", for_="30s"),
    "      - record: cluster:errors:ratio\n"
    "        expr: sum by (cluster) (rate(errors_total[2m])) / sum by (cluster) (rate(requests_total[2m]))\n",
)
"""`for`, `keep_firing_for`, `clear_expr`, each `no_data`, a recorded series and a window longer than memory."""


def load(passed_s: float, cluster: str) -> float:
    """Two peaks; the second is longer, and one cluster's is lower."""
    minute = passed_s / 60 - (20 if cluster == "us-1" else 0)
    if 30 <= minute < 31.5 or 40 <= minute < 50:
        return 0.85
    if 100 <= minute < 115:
        return 0.95 if cluster == "eu-1" else 0.87
    return 0.6 if 115 <= minute < 125 else 0.3


def is_down(passed_s: float, cluster: str) -> bool:
    """Once while it is busy, and once both at the same time."""
    minute = passed_s / 60
    return (cluster == "eu-1" and 44 <= minute < 47) or 140 <= minute < 146


@dataclass(slots=True)
class Story:
    """The samples from *start_s* on, a scrape of each target every ten seconds."""

    start_s: float
    _errors: dict[str, float] = field(default_factory=dict)
    _requests: dict[str, float] = field(default_factory=dict)

    @property
    def end_s(self) -> float:
        """The last scrape."""
        return self.start_s + LENGTH_S

    def scrape(self, cluster: str, passed_s: float) -> dict[LabelSet, float]:
        """What one target exposes; scrapes are asked for in order."""
        own = {"cluster": cluster, "instance": f"{cluster}:80", "job": "serving"}
        share = 0.3 if 60 <= passed_s / 60 < 70 else 0.01
        self._requests[cluster] = self._requests.get(cluster, 0.0) + 50.0
        self._errors[cluster] = self._errors.get(cluster, 0.0) + 50.0 * share
        up = LabelSet.of({NAME: "up", **own})
        if is_down(passed_s, cluster):
            return {up: 0.0}
        return {
            up: 1.0,
            LabelSet.of({NAME: "load", **own}): load(passed_s, cluster),
            LabelSet.of({NAME: "requests_total", **own}): self._requests[cluster],
            LabelSet.of({NAME: "errors_total", **own}): self._errors[cluster],
        }


@dataclass(frozen=True, slots=True)
class Fired:
    """One firing, as seconds since the story's start."""

    name: str
    cluster: str
    begins_s: float
    ends_s: float | None


def rules_in(folder: Path, *texts: str) -> Path:
    """A file of those rules; of all without any."""
    folder.mkdir(exist_ok=True)
    return write_rules(folder / "rules.yaml", *(texts or RULES))


def book(path: Path) -> RuleBook:
    """The rules of a file."""

    def refuse(problem: object) -> None:
        raise AssertionError(problem)

    found = RuleBook([path], refuse)
    assert found.reload()
    return found


def lived(story: Story, rules: Path, folder: Path, asleep: tuple[float, float] | None = None) -> list[Fired]:
    """Watch's live evaluation of the story, which writes its history into *folder*; what fired.

    Args:
        asleep: between these seconds since the start nobody watches.
    """
    return asyncio.run(_lived(story, rules, folder, asleep))


async def _lived(story: Story, rules: Path, folder: Path, asleep: tuple[float, float] | None) -> list[Fired]:
    own, store, clock = book(rules), SampleStore(), StepClock(story.start_s)
    durable = Durable(folder, Limits(), store, clock)
    await durable.start([*(one.expr for one in own.rules), *(one.expr for one in own.recordings)])
    evaluation, told = Evaluation(store, durable.long.at), list[Alert]()
    for passed in range(0, int(LENGTH_S) + 1, int(STEP_S)):
        now = clock.wall = story.start_s + passed
        scrapes = {cluster: story.scrape(cluster, passed) for cluster in CLUSTERS}
        if asleep is not None and asleep[0] <= passed < asleep[1]:
            continue
        for cluster, found in scrapes.items():
            labels = {"cluster": cluster, "instance": f"{cluster}:80", "job": "serving"}
            store.sheet((SHEET, freeze(labels))).append(now, tuple(found), tuple(found.values()))
        told += evaluation.rules(own.rules, now, is_complete=True, recordings=own.recordings)
        durable.turn([evaluation], now)
    assert evaluation.errors == {}
    clock.wall += STEP_S
    durable.close()
    return fired(told, story)


def fired(told: Sequence[Alert], story: Story) -> list[Fired]:
    """The firings in what was told, round by round."""
    found: dict[tuple[str, float], Fired] = {}
    for one in told:
        ends_s = one.ends_at - story.start_s if one.state is AlertState.RESOLVED and one.ends_at is not None else None
        cluster = one.labels.get("cluster", "")
        key = one.fingerprint, one.starts_at
        found[key] = Fired(one.name, cluster, one.starts_at - story.start_s, ends_s)
    return sorted(found.values(), key=lambda one: (one.begins_s, one.name, one.cluster))


def stored(story: Story, url: str, asleep: tuple[float, float] | None = None) -> None:
    """Write the story into a Prometheus, which takes nothing that is an hour older than its newest sample.

    Args:
        asleep: between these seconds since the start it has nothing.
    """
    lines: dict[LabelSet, list[Point]] = {}
    gone: set[LabelSet] = set()
    for passed in range(0, int(LENGTH_S) + 1, int(STEP_S)):
        now = story.start_s + passed
        there: set[LabelSet] = set()
        scrapes = [story.scrape(cluster, passed) for cluster in CLUSTERS]
        if asleep is not None and asleep[0] <= passed < asleep[1]:
            continue
        for scrape in scrapes:
            for labels, value in scrape.items():
                lines.setdefault(labels, []).append((now, value))
                there.add(labels)
        for labels in (gone | lines.keys()) - there:
            lines.setdefault(labels, []).append((now, None))
        gone |= there
        if passed % 1200 == 0 or passed == int(LENGTH_S):
            write(url, [(dict(labels), points) for labels, points in lines.items()])
            lines.clear()
