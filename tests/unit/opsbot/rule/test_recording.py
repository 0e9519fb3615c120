"""Recorded series: computed in the order in which they ask for each other, kept, and never older than they seem."""

from __future__ import annotations

from pathlib import Path

from opsbot.promql.evaluate import query
from opsbot.promql.samples import SampleStore
from opsbot.rule.book import RuleBook
from opsbot.rule.loader import check_rules
from opsbot.rule.model import RecordingRule
from opsbot.rule.order import in_order
from opsbot.watch.evaluation import Evaluation
from tests.support.watching import put, rule_text, write_rules

START = 1000.0


def record_text(name: str, expr: str, **fields: str) -> str:
    """One recording rule."""
    lines = "".join(f"        {key.rstrip('_')}: {value}\n" for key, value in {"expr": expr, **fields}.items())
    return f"      - record: {name}\n{lines}"


class Records:
    """A folder of rules, evaluated second by second over `m{cluster="a"}`."""

    def __init__(self, folder: Path, *rules: str) -> None:
        self.path = write_rules(folder / "r.yaml", *rules)
        self.rejected: list[str] = []
        self.book = RuleBook([folder], lambda problem: self.rejected.append(problem.message))
        self.store = SampleStore()
        self.evaluation = Evaluation(self.store)
        self.now = START

    def step(self, value: float | None) -> list[str]:
        """One second; answers the alerts that are told."""
        self.now += 1
        put(self.store, "m", {"cluster": "a"}, (self.now, value))
        self.book.reload()
        alerts = self.evaluation.rules(self.book.rules, self.now, is_complete=True, recordings=self.book.recordings)
        return [f"{alert.name} {alert.state.value}" for alert in alerts]

    def values(self, text: str) -> list[tuple[dict[str, str], float]]:
        """What a query yields now."""
        found = query(text, self.store, self.now)
        assert not isinstance(found, float)
        return [(dict(labels), value) for labels, value in found]


def test_a_result_is_kept_under_its_own_name(tmp_path: Path) -> None:
    """With the element's labels and the rule's, which win; over time, so that ranges of it can be asked for."""
    records = Records(tmp_path, record_text("m:double", "m * 2", labels="{team: x}"))
    assert (records.step(1.0), records.step(3.0)) == ([], [])
    labels = {"__name__": "m:double", "cluster": "a", "team": "x"}
    assert records.values("m:double") == [(labels, 6.0)]
    assert records.values("max_over_time(m:double[5s]) - m:double") == [({"cluster": "a", "team": "x"}, 0.0)]


def test_a_number_is_recorded_without_labels(tmp_path: Path) -> None:
    """As in Prometheus."""
    records = Records(tmp_path, record_text("slo", "'0.99'"))
    records.step(1.0)
    assert records.values("slo") == [({"__name__": "slo"}, 0.99)]


def test_what_a_series_asks_for_comes_before_it(tmp_path: Path) -> None:
    """Whatever the order in the file: an alert over a chain of them fires in the same second."""
    records = Records(
        tmp_path,
        record_text("c", "b + 1"),
        record_text("b", "\"{__name__=~'a|z'} + 1\""),
        record_text("a", "m + 1"),
        rule_text("High", expr="c > 10"),
    )
    assert [rule.name for rule in records.book.recordings] == []
    assert records.step(8.0) == ["High firing"]
    assert [rule.name for rule in records.book.recordings] == ["a", "b", "c"]
    assert records.step(1.0) == ["High resolved"]


def test_missing_data_is_missing_in_what_is_computed_from_it(tmp_path: Path) -> None:
    """A firing alert over a recorded series is held, as one over the series itself would be."""
    records = Records(tmp_path, record_text("a", "m + 1"), rule_text("High", expr="a > 10"))
    assert records.step(20.0) == ["High firing"]
    assert records.step(None) == ["High firing"]
    assert records.values("a") == []
    assert records.step(1.0) == ["High resolved"]


def test_a_rule_that_cannot_be_evaluated_leaves_no_old_result(tmp_path: Path) -> None:
    """It is counted, says why, and takes no other rule down."""
    records = Records(
        tmp_path, record_text("s", "sum without (cluster, x) (m)"), record_text("d", "m", labels="{x: y}")
    )
    records.step(1.0)
    assert len(records.values("s")) == 1
    records.path.write_text(records.path.read_text().replace("(m)", "(m * on (x) group_left m)"))
    put(records.store, "m", {"cluster": "b"}, (records.now + 1, 1.0))
    records.step(1.0)
    assert records.values("s") == []
    assert len(records.values("d")) == 2
    (rule, _) = records.book.recordings
    assert "several series on one side" in records.evaluation.recorder.error(rule)
    assert records.evaluation.recorder.num_failing == 1


def test_a_removed_rule_leaves_no_old_result(tmp_path: Path) -> None:
    """Its series is stale at once."""
    records = Records(tmp_path, record_text("a", "m"), rule_text())
    records.step(1.0)
    write_rules(records.path, rule_text())
    records.step(1.0)
    assert records.values("a") == []
    assert records.rejected == []


def test_a_groups_limit_holds(tmp_path: Path) -> None:
    """More series, or more alerts, are an error of the rule."""
    records = Records(tmp_path, record_text("a", "m"), rule_text(expr="m > 0"))
    records.path.write_text(records.path.read_text().replace("name: g\n", "name: g\n    limit: 1\n"))
    put(records.store, "m", {"cluster": "b"}, (START + 1, 1.0))
    assert records.step(1.0) == []
    assert records.values("a") == []
    assert records.evaluation.errors == {"Busy": "2 alerts are more than the group's limit of 1"}


def problems_of(folder: Path) -> list[str]:
    """What `opsbot check` would say, without the folder."""
    return [str(problem).replace(f"{folder}/", "") for problem in check_rules([folder])]


def test_a_cycle_is_told_with_names_and_places(tmp_path: Path) -> None:
    """Across files, too; a series that is computed from itself is the smallest one."""
    write_rules(tmp_path / "a.yaml", record_text("one", "m + two"))
    write_rules(tmp_path / "b.yaml", record_text("two", "three * 2"), record_text("three", "rate(one[1m])"))
    write_rules(tmp_path / "c.yaml", record_text("own", "m + own"))
    assert problems_of(tmp_path) == [
        "b.yaml:6:17: these series are computed from each other: "
        "one (a.yaml:4) → two (b.yaml:4) → three (b.yaml:6) → one (a.yaml:4)",
        "c.yaml:4:17: the series own is computed from itself",
    ]


def test_a_file_that_would_close_a_cycle_is_not_loaded(tmp_path: Path) -> None:
    """The others stay in force."""
    records = Records(tmp_path, record_text("a", "b"))
    records.step(1.0)
    write_rules(tmp_path / "s.yaml", record_text("b", "a"))
    records.step(1.0)
    assert [rule.name for rule in records.book.recordings] == ["a"]
    assert len(records.rejected) == 1


def test_mistakes_in_recording_rules_are_told(tmp_path: Path) -> None:
    """What belongs to alerts, a name that is none, the same series twice, and neither kind of rule."""
    write_rules(
        tmp_path / "a.yaml",
        record_text("a", "m", for_="5m"),
        record_text("9x", "m"),
        record_text("b", "m[5m]"),
        "      - {expr: m}\n",
    )
    assert [problem.split(": ", 1)[0] for problem in problems_of(tmp_path)] == ["a.yaml:7:17"]
    write_rules(tmp_path / "a.yaml", record_text("a", "m", for_="5m"), record_text("b", "m[5m]"), "      - {expr: m}\n")
    write_rules(
        tmp_path / "b.yaml", record_text("c", "m"), record_text("c", "m", labels="{x: y}"), record_text("c", "n")
    )
    assert problems_of(tmp_path) == [
        "a.yaml:6:9: for says nothing where a series is recorded; it belongs to the alert over it",
        "a.yaml:8:15: expr: yields a range, which cannot be recorded",
        "a.yaml:9:9: a rule has either 'alert', its name, or 'record', a series'",
        "b.yaml:9:17: the series 'c' is already recorded with these labels at b.yaml:4",
    ]


def test_a_diamond_is_no_cycle() -> None:
    """Two ways to the same series are fine, and it comes first."""
    from opsbot.promql.syntax import parse

    def rule(name: str, expr: str) -> RecordingRule:
        return RecordingRule(name, parse(expr), {}, "f", 1, 1)

    ordered, problems = in_order([rule("d", "b + c"), rule("b", "a"), rule("c", "a + b"), rule("a", "m")])
    assert problems == []
    assert [one.name for one in ordered] == ["a", "b", "c", "d"]
