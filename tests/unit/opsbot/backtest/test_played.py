"""Which series of a history are played."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opsbot.backtest.played import PlayedSeries
from opsbot.history.reader import HistoryReader
from opsbot.promql.labelset import NAME
from opsbot.rule.loader import load_rule_file
from opsbot.watch.sheet_key import key_text
from tests.support.history import block, opened, series, written
from tests.support.watching import rule_text, write_rules

START_S = 1_700_002_800.0
RULES = (
    rule_text("Fast", expr="m:rate1m > 1"),
    rule_text("Other", expr="n:rate1m > 1"),
    rule_text("Slow", expr="m:rate5m > 1"),
    "      - {record: 'm:rate1m', expr: 'rate(m[1m])'}\n",
    "      - {record: 'n:rate1m', expr: 'rate(n[1m])'}\n",
    "      - {record: 'm:rate5m', expr: 'rate(m[5m])'}\n",
)


@pytest.fixture
def played(tmp_path: Path) -> Iterator[PlayedSeries]:
    """A history with a target and two recorded series; nothing recorded n:rate1m."""
    file = opened(tmp_path)
    times = [START_S, START_S + 10]
    target = block(times, {series("m"): [1.0, 2.0], series("n"): [1.0, 2.0], series("up"): [1.0, 1.0]})
    written(file, key_text(("target", (("cluster", "eu-1"),))), target)
    for name in ("m:rate1m", "m:rate5m"):
        written(file, key_text(("recorded", name, ())), block(times, {series(name): [0.1, 0.1]}))
    rules, problems = load_rule_file(write_rules(tmp_path / "rules.yaml", *RULES))
    assert problems == []
    assert rules is not None
    reader = HistoryReader(tmp_path / "history.sqlite")
    yield PlayedSeries(reader, rules.rules, rules.recordings)
    reader.close()
    file.close()


def names(played: PlayedSeries, resolution_s: float) -> set[str]:
    """The metrics that are played."""
    return {one[NAME] for labels in played.at(resolution_s).values() for one in labels.values()}


def test_recorded_series_are_computed_anew_where_they_can_be(played: PlayedSeries) -> None:
    """What watch recorded is then left out."""
    assert names(played, 10.0) == {"m", "n", "up"}
    assert played.unseen(10.0) == {}


def test_where_they_cannot_be_what_was_recorded_is_taken(played: PlayedSeries) -> None:
    """A rule over one that was not recorded either is not evaluated, and says why."""
    assert names(played, 60.0) == {"m", "n", "up", "m:rate1m"}
    assert played.unseen(60.0) == {
        "n:rate1m": "its windows are too short for samples that are 1m apart",
        "Other": "the windows of n:rate1m are too short for samples that are 1m apart",
    }
