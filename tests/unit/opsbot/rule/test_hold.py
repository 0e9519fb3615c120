"""Hold timers over a restart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from opsbot.alert.alert import AlertState
from opsbot.promql.labelset import freeze
from opsbot.rule.evaluate import ActiveAlert
from opsbot.rule.hold import Hold, continued, from_text, resumed, to_text, tolerated_s
from opsbot.rule.model import Rule
from tests.support.watching import rule_from

NOW = 1_000_000.0


@pytest.fixture
def rule(tmp_path: Path) -> Rule:
    """Over `m`, with all timers."""
    return rule_from(tmp_path, for_="10m", clear_expr="m < 3", clear_for="5m", keep_firing_for="20m")


def hold_of(rule: Rule, state: AlertState = AlertState.PENDING, *, is_true: bool = True) -> Hold:
    """An alert that began 4 minutes before NOW."""
    labels = {"alertname": rule.name, "cluster": "a", "severity": "high"}
    active = ActiveAlert(
        labels=labels, element_labels={"cluster": "a"}, revision=rule.revision, state=state,
        active_since=NOW - 240, fired_at=None if state is AlertState.PENDING else NOW - 100,
        last_true_at=NOW - 90, clear_since=None if state is AlertState.PENDING else NOW - 60, value=None,
    )  # fmt: skip
    return Hold(rule.name, freeze(labels), active, is_true)


def test_a_hold_comes_back_as_it_was_kept(rule: Rule) -> None:
    """All but its value."""
    for hold in (hold_of(rule), hold_of(rule, AlertState.FIRING, is_true=False)):
        assert from_text(rule.name, to_text(hold)) == hold


@pytest.mark.parametrize(("timer_s", "expected_s"), [(0.0, 60.0), (30.0, 60.0), (600.0, 600.0), (86_400.0, 3600.0)])
def test_a_timer_goes_on_over_an_outage_of_its_own_length(timer_s: float, expected_s: float) -> None:
    """At least a minute, at most an hour."""
    assert tolerated_s(timer_s) == expected_s


def test_a_pending_alert_keeps_its_beginning(rule: Rule) -> None:
    """Over an outage that is short enough."""
    active = continued(rule, hold_of(rule), NOW - 600, NOW)
    assert active is not None
    assert (active.active_since, active.last_true_at) == (NOW - 240, NOW)
    assert continued(rule, hold_of(rule), NOW - 601, NOW) is None


def test_an_edited_rules_timers_begin_anew(rule: Rule, tmp_path: Path) -> None:
    """Its texts and `for` may change; its expression and labels not."""
    (tmp_path / "x").mkdir()
    other = rule_from(tmp_path / "x", expr="m > 7", for_="10m")
    assert continued(other, hold_of(rule), NOW - 1, NOW) is None
    assert continued(replace(rule, for_s=300.0), hold_of(rule), NOW - 1, NOW) is not None
    firing = hold_of(rule, AlertState.FIRING)
    fresh = replace(firing.active, clear_since=None)
    assert resumed(other, fresh, firing, NOW - 1, NOW) is fresh


def test_a_clock_that_stepped_back_delays_nothing(rule: Rule) -> None:
    """No timer begins in the future."""
    active = continued(rule, hold_of(rule), NOW, NOW - 1000)
    assert active is not None
    assert active.active_since == NOW - 1000


def test_a_firing_alert_goes_on_with_the_timers_of_its_end(rule: Rule) -> None:
    """`clear_for` and `keep_firing_for` count from where they were."""
    hold = hold_of(rule, AlertState.FIRING, is_true=False)
    fresh = replace(hold.active, clear_since=None, last_true_at=NOW)
    active = resumed(rule, fresh, hold, NOW - 30, NOW)
    assert (active.clear_since, active.last_true_at) == (NOW - 60, NOW - 90)
    after_long = resumed(rule, fresh, hold, NOW - 301, NOW)
    assert (after_long.clear_since, after_long.last_true_at) == (None, NOW - 90)
    still_true = resumed(rule, fresh, replace(hold, is_true=True), NOW - 30, NOW)
    assert still_true.last_true_at == NOW
