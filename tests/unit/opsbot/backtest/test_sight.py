"""What can be seen in thinned samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.backtest.sight import asked_for, is_seen, longest_reach_s, looked_back_on, moves_with_query
from opsbot.rule.loader import RuleFile, load_rule_file
from tests.support.watching import rule_from, rule_text, write_rules


@pytest.mark.parametrize(
    ("expr", "at_10s", "at_60s"),
    [
        ("m > 1", True, True),
        ("rate(m[2m]) > 1", True, True),
        ("rate(m[1m]) > 1", True, False),
        ("rate(m[10s]) > 1", False, False),
        ("rate(m[5m]) > 1 and rate(n[30s]) > 1", True, False),
        ("max_over_time((m > 1)[30s:10s])", True, True),
    ],
)
def test_a_window_needs_two_samples(tmp_path: Path, expr: str, at_10s: bool, at_60s: bool) -> None:
    """The shortest window of a rule decides; a subquery's instants are computed, not sampled."""
    rule = rule_from(tmp_path, expr=expr)
    assert (is_seen(rule, 10.0), is_seen(rule, 60.0)) == (at_10s, at_60s)


def test_the_end_of_an_alert_must_be_seen_too(tmp_path: Path) -> None:
    """`clear_expr` counts as `expr` does."""
    assert not is_seen(rule_from(tmp_path, expr="m > 1", clear_expr="rate(n[30s]) < 1"), 60.0)


def file_of(folder: Path, *texts: str) -> RuleFile:
    """A loaded file of those rules."""
    file, problems = load_rule_file(write_rules(folder / "rules.yaml", *texts))
    assert problems == []
    assert file is not None
    return file


def test_how_far_rules_look_back_goes_through_recorded_series(tmp_path: Path) -> None:
    """Along each chain, not the longest of all added up."""
    file = file_of(
        tmp_path,
        rule_text("A", expr="avg_over_time(a:rate[30m]) > 1"),
        rule_text("B", expr="m offset 40m > 1"),
        "      - {record: 'a:rate', expr: 'rate(m[5m])'}\n",
        "      - {record: 'b:rate', expr: 'rate(m[45m])'}\n",
    )
    assert longest_reach_s([*file.rules, *file.recordings], file.recordings) == 45 * 60
    assert longest_reach_s(file.rules, file.recordings) == 40 * 60
    assert longest_reach_s(file.rules[:1], file.recordings) == 35 * 60


def test_only_what_is_looked_back_on_is_computed_before(tmp_path: Path) -> None:
    """With what it is computed from."""
    file = file_of(
        tmp_path,
        rule_text("A", expr="avg_over_time(top[30m]) > 1"),
        rule_text("B", expr="other > 1"),
        "      - {record: base, expr: 'sum(m)'}\n",
        "      - {record: top, expr: 'base * 2'}\n",
        "      - {record: other, expr: 'sum(n)'}\n",
    )
    assert [one.name for one in looked_back_on(file.rules, file.recordings)] == ["base", "top"]


def test_only_what_alerts_ask_for_is_recorded(tmp_path: Path) -> None:
    """All of it, where a selector does not say which name."""
    recordings = (
        "      - {record: base, expr: 'sum(m)'}\n",
        "      - {record: top, expr: 'base * 2'}\n",
        "      - {record: other, expr: 'sum(n)'}\n",
    )
    file = file_of(tmp_path, rule_text("A", expr="top > 1"), *recordings)
    assert [one.name for one in asked_for(file.rules, file.recordings)] == ["base", "top"]
    file = file_of(tmp_path, rule_text("A", expr="'{__name__=~\"t.*\"} > 1'"), *recordings)
    assert [one.name for one in asked_for(file.rules, file.recordings)] == ["base", "top", "other"]


def test_what_is_tied_to_the_querys_span_is_told(tmp_path: Path) -> None:
    """A span of time is not what it means in a rule."""
    assert moves_with_query(rule_from(tmp_path, expr="m @ end() > 1"))
    assert not moves_with_query(rule_from(tmp_path, expr="m @ 1000 > 1"))
