"""Rules over a history of samples: when an alert fires, is held, and ends."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.alert.alert import Alert, AlertState
from opsbot.errors import InvalidTransition
from opsbot.promql.samples import SampleStore
from opsbot.promql.syntax import parse
from opsbot.rule.evaluate import TRANSITIONS, ActiveAlert
from opsbot.rule.model import NoData, Rule
from opsbot.watch.evaluation import Evaluation
from tests.support.watching import put, rule_from

START = 1000.0


def make_rule(
    *,
    expr: str = "m > 5",
    clear: str | None = None,
    for_s: float = 0.0,
    clear_for_s: float = 0.0,
    keep_s: float = 0.0,
    no_data: NoData = "hold",
    revision: str = "r1",
) -> Rule:
    """A rule without a file."""
    return Rule(
        name="Busy",
        revision=revision,
        expr=parse(expr),
        clear_expr=parse(clear) if clear is not None else None,
        for_s=for_s,
        keep_firing_for_s=keep_s,
        clear_for_s=clear_for_s,
        no_data=no_data,
        labels={"severity": "high"},
        annotations={"summary": "{{ cluster }} is at {{ value }}"},
        origin="f.yaml",
    )


class History:
    """Values of `m{cluster="a"}` second by second, and what the rule makes of them."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.store = SampleStore()
        self.evaluation = Evaluation(self.store)
        self.now = START
        self.told: list[Alert] = []

    def step(self, value: float | None, **others: float) -> str:
        """One second: None is a failed scrape. Answers the state that core would be told."""
        self.now += 1
        put(self.store, "m", {"cluster": "a"}, (self.now, value))
        for name, other in others.items():
            put(self.store, name, {"cluster": "a"}, (self.now, other))
        return self.look()

    def look(self) -> str:
        """Evaluate now."""
        self.told = self.evaluation.rules([self.rule], self.now, is_complete=True)
        if not self.told:
            return "pending" if self.evaluation.active("Busy") else "-"
        blind = " blind" if "opsbot_blind" in self.told[0].annotations else ""
        return self.told[0].state.value + blind

    def steps(self, *values: float | None) -> list[str]:
        """Several seconds."""
        return [self.step(value) for value in values]


def test_an_alert_is_pending_for_its_time_and_fires() -> None:
    """`for` counts from the first evaluation that held; a gap begins anew."""
    history = History(make_rule(for_s=2.0))
    assert history.steps(9, 9, 1, 9, 9, 9) == ["pending", "pending", "-", "pending", "pending", "firing"]
    assert history.told[0].starts_at == START + 6


def test_an_alert_ends_when_its_expression_no_longer_holds() -> None:
    """Without a lower level it ends at once, and says when it began and ended."""
    history = History(make_rule())
    assert history.steps(9, 1, 1) == ["firing", "resolved", "-"]


def test_an_ended_alert_says_when() -> None:
    """The resolved alert has the labels of the firing one and both times."""
    history = History(make_rule())
    history.steps(9, 9, 1)
    ended = history.told[0]
    assert ended.labels == {"cluster": "a", "severity": "high", "alertname": "Busy"}
    assert (ended.starts_at, ended.ends_at) == (START + 1, START + 3)


def test_an_alert_can_go_on_after_its_expression() -> None:
    """`keep_firing_for` counts from the last evaluation that held."""
    history = History(make_rule(keep_s=2.0))
    assert history.steps(9, 1, 1, 9, 1, 1) == ["firing", "firing", "resolved", "firing", "firing", "resolved"]


def test_a_lower_level_ends_an_alert() -> None:
    """Between the levels it goes on; under the lower one it ends after `clear_for`."""
    history = History(make_rule(clear="m < 2", clear_for_s=2.0))
    assert history.steps(9, 4, 4, 1, 1, 4, 1, 1, 1) == ["firing"] * 8 + ["resolved"]


def test_a_coarser_lower_level_ends_every_alert_of_it() -> None:
    """`max(m) < 2` has no labels: it says of all clusters that they are calm."""
    history = History(make_rule(clear="max(m) < 2"))
    assert history.steps(9, 4, 1) == ["firing", "firing", "resolved"]


def test_another_clusters_calm_ends_nothing() -> None:
    """Only the alert's own labels, or some of them, count."""
    history = History(make_rule(clear='m{cluster="b"} < 2'))
    put(history.store, "m", {"cluster": "b"}, (START, 0.0))
    assert history.steps(9, 1, 1) == ["firing", "firing blind", "firing blind"]


def test_missing_data_is_not_recovery() -> None:
    """A firing alert whose series are gone is held and said to be blind, however long, and sees again."""
    history = History(make_rule())
    assert history.steps(9, None, None) == ["firing", "firing blind", "firing blind"]
    history.now += 3600
    assert history.look() == "firing blind"
    assert history.steps(9, 1) == ["firing", "resolved"]


def test_one_missing_operand_is_missing_data() -> None:
    """The other operand's being there says nothing: `m > 5 and n > 5` cannot be judged without n."""
    history = History(make_rule(expr="m > 5 and n > 5"))
    assert [history.step(9, n=9), history.step(9, n=9)] == ["firing", "firing"]
    put(history.store, "n", {"cluster": "a"}, (history.now + 1, None))
    assert history.step(9) == "firing blind"
    assert history.step(9, n=1) == "resolved"


def test_a_rate_over_too_young_a_counter_is_missing_data() -> None:
    """After a restart of the target, a rate needs two samples; until then nothing is known."""
    history = History(make_rule(expr="rate(m[5s]) > 1"))
    assert history.steps(0, 10, 20) == ["-", "firing", "firing"]
    history.now += 60
    assert history.steps(0, 0) == ["firing blind", "resolved"]


def test_a_lower_level_without_data_ends_nothing() -> None:
    """When only the lower level's metric is missing, the alert is blind, too."""
    history = History(make_rule(clear="n < 2"))
    assert [history.step(9, n=9), history.step(1, n=9), history.step(1, n=1)] == ["firing", "firing", "resolved"]
    put(history.store, "n", {"cluster": "a"}, (history.now + 1, None))
    assert history.steps(9, 1) == ["firing", "firing blind"]


def test_missing_data_breaks_the_time_of_calm() -> None:
    """`clear_for` begins anew after a gap, so calm on both sides of an outage is not calm throughout."""
    history = History(make_rule(clear="m < 2", clear_for_s=2.0))
    assert history.steps(9, 1, 1, None, 1, 1, 1) == [
        "firing", "firing", "firing", "firing blind", "firing", "firing", "resolved",
    ]  # fmt: skip


def test_missing_data_can_resolve() -> None:
    """`no_data: resolve` ends the alert with its series."""
    assert History(make_rule(no_data="resolve")).steps(9, None) == ["firing", "resolved"]


def test_missing_data_can_fire() -> None:
    """`no_data: fire` alerts when the whole rule has no data, and ends when it has."""
    history = History(make_rule(no_data="fire", for_s=1.0))
    assert [history.look(), *history.steps(None, None, 1)] == ["pending", "firing", "firing", "resolved"]


def test_an_alert_about_missing_data_has_only_the_rules_labels() -> None:
    """Nothing is known of the series, and no value either."""
    history = History(make_rule(no_data="fire"))
    history.look()
    assert history.told[0].labels == {"severity": "high", "alertname": "Busy"}
    assert history.told[0].value is None


def test_a_pending_alert_survives_a_failed_scrape() -> None:
    """One lost second does not restart a long `for`; nothing fires while nothing is seen."""
    history = History(make_rule(for_s=2.0))
    assert history.steps(9, None, None, None, 9) == ["pending", "pending", "pending", "pending", "firing"]


def test_a_pending_alert_without_data_is_forgotten() -> None:
    """After five minutes there is nothing left to hold."""
    history = History(make_rule(for_s=600.0))
    history.steps(9, None)
    history.now += 300
    assert history.look() == "-"


def test_absence_is_an_answer() -> None:
    """`absent()` ends with the return of the series, which is no missing data."""
    history = History(make_rule(expr='absent(m{cluster="a"})'))
    assert [history.look(), *history.steps(1, 1)] == ["firing", "resolved", "-"]


def test_an_element_that_left_the_top_is_seen() -> None:
    """Falling out of `topk` is an answer, too."""
    history = History(make_rule(expr="topk(1, m) > 5"))
    put(history.store, "m", {"cluster": "b"}, (START, 8.0))
    assert history.steps(9)[0] == "firing"
    assert [(a.labels["cluster"], a.state) for a in history.told] == [("a", AlertState.FIRING)]
    history.steps(7)
    assert {(a.labels["cluster"], a.state) for a in history.told} == {
        ("a", AlertState.RESOLVED),
        ("b", AlertState.FIRING),
    }


def test_annotations_are_filled_in_and_carry_the_number() -> None:
    """Text for people, and the exact value for core."""
    history = History(make_rule())
    history.step(9.87654321)
    annotations = history.told[0].annotations
    assert annotations["summary"] == "a is at 9.877"
    assert annotations["opsbot_value"] == "9.87654321"


def test_two_alerts_with_the_same_labels_are_an_error(tmp_path: Path) -> None:
    """A rule's label that hides what tells two series apart is reported, and nothing is ended by it."""
    rule = rule_from(tmp_path, labels="{severity: high, cluster: all}")
    history = History(rule)
    assert history.step(9) == "firing"
    put(history.store, "m", {"cluster": "b"}, (history.now + 1, 9.0))
    assert history.step(9) == "firing blind"
    assert "would fire twice" in history.evaluation.errors["Busy"]


def test_an_edited_rule_ends_what_it_can_no_longer_yield() -> None:
    """After `by (x)` is removed from a rule, the old alerts are no one's; they end and the new one begins."""
    history = History(make_rule(expr="sum by (cluster) (m) > 5"))
    history.step(9)
    history.rule = make_rule(expr="sum(m) > 5", revision="r2")
    history.step(9)
    assert [(dict(a.labels).get("cluster"), a.state.value) for a in history.told] == [
        ("a", "resolved"),
        (None, "firing"),
    ]


def test_an_edited_rule_goes_on_with_what_it_still_yields() -> None:
    """A changed threshold keeps the episode."""
    history = History(make_rule())
    history.step(9)
    history.rule = make_rule(expr="m > 6", revision="r2")
    assert history.step(9) == "firing"
    assert history.told[0].starts_at == START + 1


def test_a_removed_rule_ends_its_alerts() -> None:
    """Nobody would ever end them otherwise."""
    history = History(make_rule())
    history.step(9)
    told = history.evaluation.rules([], history.now + 1, is_complete=True)
    assert [alert.state for alert in told] == [AlertState.RESOLVED]


def test_every_step_that_the_table_does_not_have_raises() -> None:
    """From each state, to each state."""
    alert = ActiveAlert({"alertname": "Busy"}, {}, "r1", AlertState.PENDING, 0.0, None, 0.0, None, 1.0)
    for state in AlertState:
        for target in (*AlertState, None):
            if target in TRANSITIONS[state]:
                moved = replace(alert, state=state).moved(target, 1.0)
                assert (moved.state if moved is not None else None) == target
            else:
                with pytest.raises(InvalidTransition, match="the alert Busy is"):
                    replace(alert, state=state).moved(target, 1.0)


VALUES = st.sampled_from([None, 0.0, 1.0, 4.0, 9.0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=25), st.randoms(use_true_random=False))
def test_alerts_do_not_depend_on_the_order_of_series(
    rounds: list[tuple[float | None, float | None, float | None]], shuffle: random.Random
) -> None:
    """Whatever order the series of a scrape come in, the same alerts come out."""
    rule = make_rule(for_s=1.0, clear="m < 2", clear_for_s=1.0)

    def run(order: list[int]) -> list[list[tuple[str, str]]]:
        store = SampleStore()
        evaluation = Evaluation(store)
        found = []
        for second, values in enumerate(rounds):
            for index in order:
                put(store, "m", {"cluster": str(index)}, (START + second, values[index]))
            told = evaluation.rules([rule], START + second, is_complete=True)
            found.append(sorted((alert.labels["cluster"], alert.state.value) for alert in told))
        return found

    order = [0, 1, 2]
    shuffle.shuffle(order)
    assert run(order) == run([0, 1, 2])


@settings(max_examples=80, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=40), st.sampled_from(["hold", "fire"]))
def test_an_alert_only_ends_on_calm_that_was_seen(values: list[float | None], no_data: NoData) -> None:
    """Whatever the history: an end is told only in a second whose value is below the lower level."""
    history = History(make_rule(clear="m < 2", no_data=no_data))
    for value in values:
        history.step(value)
        ended = [a for a in history.told if a.state is AlertState.RESOLVED and "cluster" in a.labels]
        if ended:
            assert value is not None
            assert value < 2
