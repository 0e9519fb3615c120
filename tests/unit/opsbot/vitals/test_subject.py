"""Which figures an alert is told by."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.rule.loader import load_rule_file, yaml_files
from opsbot.vitals.figure import FIGURES
from opsbot.vitals.subject import DEFAULT, figures_of, subject_of

PACKS = Path(__file__).parents[4] / "policies/alerts"


@pytest.mark.parametrize(
    ("alertname", "labels", "expr", "figures"),
    [
        ("KVCachePressure", {}, "", ("kv", "waiting", "preemptions")),
        ("QueueGrows", {}, "", ("waiting", "ttft", "running")),
        ("FirstTokenBudgetBurnsFast", {"slo": "first_token"}, "", ("ttft", "waiting", "kv")),
        ("RequestsFail", {}, "", ("failed", "requests")),
        ("Mine", {"slo": "token_gap"}, "", ("itl", "running", "kv")),
        ("Mine", {}, "rate(vllm:num_preemptions_total[1m]) > 3", ("kv", "waiting", "preemptions")),
        ("HighTTFT", {}, "", ("ttft", "waiting", "kv")),
        ("Http5xxRate", {}, "", ("failed", "requests")),
        ("RequestsFinishedLate", {}, "", DEFAULT.figures),
        ("Anything", {}, "", DEFAULT.figures),
        ("", {}, "", DEFAULT.figures),
    ],
)
def test_name_then_labels_then_words(
    alertname: str, labels: dict[str, str], expr: str, figures: tuple[str, ...]
) -> None:
    """An alert of our packs by its name, an objective by its label, anybody else's by what its rule or name says."""
    assert subject_of(alertname, labels, expr).figures == figures


def test_every_shipped_alert_about_serving_has_a_subject() -> None:
    """A rule that is added without one would show whatever is usual."""
    files = [load_rule_file(path)[0] for path in yaml_files([PACKS])]
    rules = [
        rule for file in files if file is not None for rule in file.rules if rule.labels.get("service") != "opsbot"
    ]
    assert len(rules) > 20
    without = [rule.name for rule in rules if subject_of(rule.name, rule.labels) is DEFAULT]
    assert without == []


def test_every_figure_of_a_subject_is_in_the_table() -> None:
    """Two or three numbers each, and all of them known."""
    from opsbot.vitals import subject

    for one in (*subject._TABLE, DEFAULT):
        assert 2 <= len(figures_of(one)) <= 3
        assert all(key in FIGURES for key in one.figures)
