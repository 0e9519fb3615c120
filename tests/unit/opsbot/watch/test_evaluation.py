"""All rules together: what core holds after a restart, and targets that are gone."""

from __future__ import annotations

import httpx

from opsbot.alert.alert import Alert, AlertState
from opsbot.promql.samples import SampleStore
from opsbot.rule.evaluate import RULE_ANNOTATION
from opsbot.source.scrape import Scraper, Target
from opsbot.watch.evaluation import Evaluation
from tests.support.watching import StepClock, put
from tests.unit.opsbot.rule.test_evaluate import make_rule

NOW = 2000.0
HELD = Alert(
    {"cluster": "a", "severity": "high", "alertname": "Busy"}, {RULE_ANNOTATION: "r1"}, AlertState.FIRING, 1500.0
)


def told(alerts: list[Alert]) -> list[tuple[str, str, float]]:
    """Name, state and begin of each."""
    return [(alert.name, alert.state.value, alert.starts_at) for alert in alerts]


def evaluation(value: float | None = None, *held: Alert) -> Evaluation:
    """After a restart: `m` may have a value already, and core may hold alerts."""
    store = SampleStore()
    if value is not None:
        put(store, "m", {"cluster": "a"}, (NOW, value))
    fresh = Evaluation(store)
    fresh.restore([make_rule(clear="m < 2")], held, NOW)
    return fresh


RULES = [make_rule(clear="m < 2")]


def test_a_restart_goes_on_with_what_core_holds() -> None:
    """The alert keeps its begin, between the levels it goes on, and under the lower one it ends."""
    assert told(evaluation(4.0, HELD).rules(RULES, NOW, is_complete=True)) == [("Busy", "firing", 1500.0)]
    assert told(evaluation(1.0, HELD).rules(RULES, NOW, is_complete=True)) == [("Busy", "resolved", 1500.0)]


def test_a_restart_without_data_ends_nothing() -> None:
    """Before the first scrape nothing is known, and that is said."""
    (alert,) = evaluation(None, HELD).rules(RULES, NOW, is_complete=True)
    assert alert.annotations["opsbot_blind"] == "true"
    assert alert.labels == HELD.labels
    assert alert.fingerprint == HELD.fingerprint


def test_what_core_holds_wins_over_what_began_since() -> None:
    """Core was away at the start: an alert that fired meanwhile keeps the begin that core knows."""
    late = evaluation(9.0)
    assert told(late.rules(RULES, NOW, is_complete=False)) == [("Busy", "firing", NOW)]
    late.restore(RULES, [HELD], NOW)
    assert told(late.rules(RULES, NOW, is_complete=True)) == [("Busy", "firing", 1500.0)]


def test_an_alert_whose_rule_was_removed_while_we_were_away_ends() -> None:
    """But only once every rule file could be read, for its rule may be in a bad one."""
    store = SampleStore()
    fresh = Evaluation(store)
    fresh.restore([], [HELD], NOW)
    assert fresh.rules([], NOW, is_complete=False) == []
    assert told(fresh.rules([], NOW, is_complete=True)) == [("Busy", "resolved", 1500.0)]
    assert fresh.rules([], NOW, is_complete=True) == []


def test_other_senders_alerts_are_left_alone() -> None:
    """Core holds alerts from elsewhere, too; only ours carry our rule's revision."""
    other = Alert(HELD.labels, {}, AlertState.FIRING, 1500.0)
    fresh = Evaluation(SampleStore())
    fresh.restore([], [other], NOW)
    assert fresh.rules([], NOW, is_complete=True) == []


class Down:
    """A target whose health is set, and the alerts about it."""

    def __init__(self) -> None:
        self.clock = StepClock(NOW)
        target = Target("http://a:1/metrics", "a")
        self.scraper = Scraper(target, SampleStore(), self.clock, httpx.AsyncClient())
        self.evaluation = Evaluation(SampleStore())

    def told(self, failing_since: float | None, now: float) -> list[tuple[str, str, float]]:
        """What is said at *now*."""
        self.scraper.health.failing_since = failing_since
        return told(self.evaluation.targets([self.scraper], now))


def test_a_target_that_is_gone_for_three_seconds_is_an_alert() -> None:
    """A shorter gap is none; the alert ends with the first answer."""
    down = Down()
    assert down.told(NOW, NOW + 2.9) == []
    assert down.told(NOW, NOW + 3.0) == [("MetricsSourceDown", "firing", NOW + 3)]
    assert down.told(NOW, NOW + 9.0) == [("MetricsSourceDown", "firing", NOW + 3)]
    assert down.told(None, NOW + 10.0) == [("MetricsSourceDown", "resolved", NOW + 3)]
    assert down.told(None, NOW + 11.0) == []


def test_the_alert_about_a_target_names_it() -> None:
    """Its labels are those of the target's samples."""
    down = Down()
    down.scraper.health.last_error = "connection refused"
    down.scraper.health.failing_since = NOW
    (alert,) = down.evaluation.targets([down.scraper], NOW + 3)
    assert alert.labels == {
        "alertname": "MetricsSourceDown",
        "severity": "high",
        "cluster": "a",
        "instance": "a:1",
        "job": "serving",
    }
    assert "connection refused" in alert.annotations["description"]


def test_an_outage_outlives_our_restart() -> None:
    """The alert that core holds goes on without a second begin, and ends when the target is back or unwatched."""
    down = Down()
    labels = {**down.scraper.target.labels, "alertname": "MetricsSourceDown", "severity": "high"}
    held = Alert(labels, {RULE_ANNOTATION: "MetricsSourceDown"}, AlertState.FIRING, 1500.0)
    down.evaluation.restore([], [held], NOW)
    assert down.told(NOW, NOW + 0.5) == [("MetricsSourceDown", "firing", 1500.0)]
    assert told(down.evaluation.targets([], NOW + 1)) == [("MetricsSourceDown", "resolved", 1500.0)]
