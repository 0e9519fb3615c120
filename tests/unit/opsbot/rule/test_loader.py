"""Rule files: what is read, and what is said about mistakes."""

from __future__ import annotations

from inspect import signature
from pathlib import Path

import pytest

from opsbot.promql.reach import RAW_S
from opsbot.promql.samples import SampleStore
from opsbot.rule.loader import check_rules, load_rule_file, load_rules
from opsbot.rule.model import json_schema
from opsbot.rule.template import fill
from tests.support.watching import rule_from, rule_text, write_rules

SHIPPED = Path(__file__).parents[4] / "policies" / "alerts"


def problems_of(tmp_path: Path, *rules: str) -> list[str]:
    """The problems of a file with *rules*, without its folder."""
    _, problems = load_rule_file(write_rules(tmp_path / "r.yaml", *rules))
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in problems]


def test_the_shipped_rules_are_sound() -> None:
    """And there is at least one, with a lower level."""
    rules, problems = load_rules([SHIPPED])
    assert problems == []
    pressure = next(rule for rule in rules if rule.name == "KVCachePressure")
    assert (pressure.for_s, pressure.clear_for_s, pressure.no_data) == (3.0, 5.0, "hold")
    assert pressure.clear_expr is not None
    assert pressure.labels["severity"] == "critical"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"expr": "m >"}, "r.yaml:5:15: expr: not valid PromQL: something must follow `>`"),
        (
            {"expr": "count_values('v', m) > 1"},
            "r.yaml:5:15: expr: the aggregation 'count_values' is not supported; supported are avg, bottomk, count, "
            "group, max, min, quantile, stddev, stdvar, sum, topk",
        ),
        (
            {"expr": "1 + 1"},
            "r.yaml:5:15: expr: yields a number, which has no labels to alert for; compare series instead",
        ),
        (
            {"expr": "m[5m]"},
            "r.yaml:5:15: expr: yields a range, which has no labels to alert for; compare series instead",
        ),
        ({"clear_expr": "m <"}, "r.yaml:7:21: clear_expr: not valid PromQL: something must follow `<`"),
        ({"for_": "30"}, "r.yaml:7:14: for: a duration such as 30s, 5m or 1h30m is needed, not 30"),
        ({"for__": "3s"}, "r.yaml:7:9: unknown key 'for_', did you mean 'for'?"),
        ({"clear_fro": "3s"}, "r.yaml:7:9: unknown key 'clear_fro', did you mean 'clear_for'?"),
        ({"clear_for": "3s"}, "r.yaml:7:20: clear_for says nothing without clear_expr"),
        ({"no_data": "xyz"}, "r.yaml:7:18: no_data: 'xyz' is none of 'hold', 'resolve' or 'fire'"),
        (
            {"labels": "{severity: critcal}"},
            "r.yaml:6:28: severity: 'critcal' is none of critical, high, medium, low, info, did you mean 'critical'?",
        ),
        (
            {"labels": "{service: x}"},
            "r.yaml:6:17: the label 'severity' is missing; one of critical, high, medium, low, info",
        ),
        (
            {"labels": "{severity: high, team: '{{ cluster }}'}"},
            "r.yaml:6:41: team: labels are not filled in; write a value",
        ),
        (
            {"annotations": "{summary: 'It is {{ $value | humanise }}'}"},
            "r.yaml:7:51: summary: the template function 'humanise' is not supported; there are humanize, "
            "humanize1024, humanizeDuration, humanizePercentage, humanizeTimestamp, printf, title, toLower, toUpper",
        ),
        (
            {"expr": "rate(m[4d] offset 4d) > 1"},
            "r.yaml:5:15: expr: looks back 8d, and watch keeps the samples of 7d; ask for less",
        ),
        (
            {"expr": "max_over_time(rate(m[5m])[7d:2h]) > 1"},
            "r.yaml:5:15: expr: looks back 7d5m, and watch keeps the samples of 7d; ask for less",
        ),
        (
            {"expr": "rate(m[10s] offset 1h) > 1"},
            "r.yaml:5:15: expr: asks for a window of 10s that begins 1h10s ago, where samples are 10s apart; "
            "take 20s or more",
        ),
        (
            {"labels": "{severity: page}"},
            "r.yaml:6:28: severity: 'page' is none of critical, high, medium, low, info; "
            "the key `severity` of the rule says what it is to us",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, fields: dict[str, str], problem: str) -> None:
    """File, line, column, the word, and what would be right."""
    texts = {("for_" if key == "for__" else key): value for key, value in fields.items()}
    text = rule_text(**texts)
    if "for__" in fields:
        text = text.replace(" for:", " for_:")
    assert problems_of(tmp_path, text) == [problem]


def test_a_function_that_there_is_not_is_refused_by_name(tmp_path: Path) -> None:
    """With its place, and with the names of those that there are."""
    path = write_rules(tmp_path / "r.yaml", rule_text(expr="holt_winters(m[5m], 0.5, 0.5) > 1"))
    (problem,) = load_rules([path])[1]
    text = str(problem)
    assert ":5:15: expr: the function 'holt_winters' is not supported; supported are abs, absent, " in text
    assert text.endswith(", timestamp, vector")


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    """Of one file, in the order of its lines, and of several files."""
    write_rules(tmp_path / "b.yaml", rule_text(expr="m ><"))
    write_rules(tmp_path / "a.yaml", rule_text(expr="m >", clear_expr="<"), rule_text("Other", labels="{severity: x}"))
    found = [(Path(problem.path).name, problem.line) for problem in check_rules([tmp_path])]
    assert found == [("a.yaml", 5), ("a.yaml", 7), ("a.yaml", 10), ("b.yaml", 5)]


def test_a_name_is_used_once_in_all_files(tmp_path: Path) -> None:
    """Two rules of one name would end each other's alerts."""
    write_rules(tmp_path / "a.yaml", rule_text())
    write_rules(tmp_path / "b.yaml", rule_text("Other"), rule_text())
    (problem,) = check_rules([tmp_path])
    assert str(problem) == f"{tmp_path}/b.yaml:7:16: the alert 'Busy' is already defined at {tmp_path}/a.yaml:4"


def test_prometheus_own_writing_is_read(tmp_path: Path) -> None:
    """A group's interval, `$labels` and `$value` come from files written for Prometheus."""
    path = tmp_path / "r.yaml"
    path.write_text(
        "groups:\n- name: g\n  interval: 15s\n  rules:\n  - alert: A\n    expr: up == 0\n    for: 1m\n"
        "    keep_firing_for: 2m\n    labels: {severity: high}\n"
        "    annotations: {summary: '{{ $labels.instance }} at {{ $value }}'}\n"
    )
    file, problems = load_rule_file(path)
    assert problems == []
    assert file is not None
    assert (file.rules[0].for_s, file.rules[0].keep_firing_for_s) == (60.0, 120.0)


def test_a_severity_of_our_own_stands_in_for_the_labels(tmp_path: Path) -> None:
    """Files of others keep their labels; the key says what the alert is to us. `warning` is taken as it is."""
    assert rule_from(tmp_path, labels="{severity: page}", severity="critical").labels == {"severity": "critical"}
    assert rule_from(tmp_path, labels="{severity: warning}").labels == {"severity": "warning"}


def test_a_runbook_is_told_with_the_alert(tmp_path: Path) -> None:
    """It is an annotation, so whoever is called knows where to read on."""
    assert rule_from(tmp_path, runbook="kv-cache-pressure").annotations == {"runbook": "kv-cache-pressure"}


def test_a_groups_labels_and_limit_are_its_rules(tmp_path: Path) -> None:
    """A rule's own label wins."""
    path = tmp_path / "r.yaml"
    path.write_text(
        "groups:\n- name: g\n  limit: 3\n  labels: {team: a, severity: low}\n  rules:\n"
        "  - {alert: A, expr: m > 1, labels: {severity: high}}\n  - {record: r, expr: m}\n"
    )
    file, problems = load_rule_file(path)
    assert problems == []
    assert file is not None
    assert (file.rules[0].labels, file.rules[0].limit) == ({"team": "a", "severity": "high"}, 3)
    assert (file.recordings[0].labels, file.recordings[0].limit) == ({"team": "a", "severity": "low"}, 3)


def test_raw_samples_are_kept_as_long_as_is_believed() -> None:
    """What is taken for raw is what the store keeps."""
    assert signature(SampleStore).parameters["retention_s"].default == RAW_S


def test_a_revision_changes_with_what_decides_the_labels(tmp_path: Path) -> None:
    """Texts for people and times do not; expressions and labels do; spaces do not."""
    base = rule_from(tmp_path).revision
    assert rule_from(tmp_path, expr="m  >  5").revision == base
    assert rule_from(tmp_path, for_="9s", annotations="{summary: x}").revision == base
    assert rule_from(tmp_path, expr="m > 6").revision != base
    assert rule_from(tmp_path, labels="{severity: low}").revision != base


def test_placeholders_are_filled_in() -> None:
    """A label that is called `value` is reached through `$labels`; what is not there is said."""
    labels = {"cluster": "a", "value": "gold"}
    text = "{{cluster}} {{ $labels.value }} {{ $value }} {{ nothing }}"
    assert fill(text, labels, 0.123456) == "a gold 0.1235 (no label nothing)"
    assert fill("{{ value }}", labels, None) == "unknown"


def test_the_schema_offers_what_the_loader_takes() -> None:
    """Editors know the keys by the names in the file."""
    rule = json_schema()["$defs"]["RuleWire"]
    assert {"alert", "expr", "for", "keep_firing_for", "clear_expr", "clear_for", "no_data"} <= set(rule["properties"])
    assert rule["additionalProperties"] is False
