"""Hold timers on disk, and who takes them on."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.alert.alert import Alert, AlertState
from opsbot.promql.samples import SampleStore
from opsbot.rule.evaluate import RULE_ANNOTATION
from opsbot.rule.model import Rule
from opsbot.watch.evaluation import Evaluation
from opsbot.watch.hold_file import HoldFile
from tests.support.watching import put, rule_from

NOW = 1_000_000.0


class Life:
    """A watch's evaluation of one rule over `m`, and its timers."""

    def __init__(self, folder: Path, rule: Rule) -> None:
        self.rule = rule
        self.file, self.store = HoldFile(folder / "holds.sqlite"), SampleStore()
        self.evaluation = Evaluation(self.store)
        self.evaluation.resume(*self.file.load())

    def round(self, now: float, value: float) -> list[Alert]:
        """One round, written down."""
        put(self.store, "m", {"cluster": "a"}, (now, value))
        alerts = self.evaluation.rules([self.rule], now, is_complete=True)
        self.file.note(list(self.evaluation.holds()), now)
        if self.file._under_way is not None:
            self.file._under_way.result()
        return alerts

    def restored(self, firing: list[Alert], now: float) -> None:
        """Core says what fires."""
        self.evaluation.restore([self.rule], firing, now)


def test_a_pending_alert_fires_when_it_would_have(tmp_path: Path) -> None:
    """Over a restart in the middle of `for`."""
    rule = rule_from(tmp_path, for_="60s")
    life = Life(tmp_path, rule)
    assert life.round(NOW, 9.0) == []
    assert life.round(NOW + 20, 9.0) == []
    life.file.close()
    life = Life(tmp_path, rule)
    assert life.round(NOW + 59, 9.0) == []
    (alert,) = life.round(NOW + 60, 9.0)
    assert (alert.state, alert.starts_at) == (AlertState.FIRING, NOW + 60)
    life.file.close()


def test_an_alert_that_does_not_hold_any_more_is_not_pending(tmp_path: Path) -> None:
    """The data after the restart decides."""
    rule = rule_from(tmp_path, for_="60s")
    life = Life(tmp_path, rule)
    life.round(NOW, 9.0)
    life.file.close()
    life = Life(tmp_path, rule)
    assert life.round(NOW + 61, 1.0) == []
    assert life.evaluation.active("Busy") == []
    life.file.close()


def test_after_a_long_outage_a_timer_begins_anew(tmp_path: Path) -> None:
    """Nobody knows whether it held all the time."""
    rule = rule_from(tmp_path, for_="120s")
    life = Life(tmp_path, rule)
    life.round(NOW, 9.0)
    life.file.close()
    life = Life(tmp_path, rule)
    assert life.round(NOW + 121, 9.0) == []
    assert [one.active_since for one in life.evaluation.active("Busy")] == [NOW + 121]
    life.file.close()


@pytest.mark.parametrize("step_s", [50.0, 7200.0])
def test_a_step_of_the_clock_after_a_restart_leaves_waiting_timers_alone(step_s: float, tmp_path: Path) -> None:
    """Set forward before its rule is there, the clock neither makes an outage of that nor ends `for` sooner."""
    rule = rule_from(tmp_path, for_="120s")
    life = Life(tmp_path, rule)
    life.round(NOW, 9.0)
    life.round(NOW + 30, 9.0)
    life.file.close()
    life = Life(tmp_path, rule)
    assert life.evaluation.rules([], NOW + 40, is_complete=False) == []
    life.evaluation.shift(step_s)
    assert life.round(NOW + step_s + 119, 9.0) == []
    assert [one.active_since for one in life.evaluation.active("Busy")] == [NOW + step_s]
    (alert,) = life.round(NOW + step_s + 120, 9.0)
    assert alert.state is AlertState.FIRING
    life.file.close()


def test_a_clearing_alert_ends_when_it_would_have(tmp_path: Path) -> None:
    """`clear_for` counts on over the restart; core says that the alert fires."""
    rule = rule_from(tmp_path, clear_expr="m < 3", clear_for="60s")
    life = Life(tmp_path, rule)
    (alert,) = life.round(NOW, 9.0)
    life.round(NOW + 10, 1.0)
    life.file.close()
    life = Life(tmp_path, rule)
    life.restored([alert], NOW + 30)
    assert [one.state for one in life.round(NOW + 69, 1.0)] == [AlertState.FIRING]
    assert [one.state for one in life.round(NOW + 70, 1.0)] == [AlertState.RESOLVED]
    life.file.close()


def test_an_alert_that_core_was_not_told_fires_again_at_once(tmp_path: Path) -> None:
    """It fired and watch died before core took it: `for` is not waited for a second time."""
    rule = rule_from(tmp_path, for_="60s")
    life = Life(tmp_path, rule)
    life.round(NOW, 9.0)
    assert len(life.round(NOW + 60, 9.0)) == 1
    life.file.close()
    life = Life(tmp_path, rule)
    assert life.round(NOW + 65, 9.0) == []
    life.restored([], NOW + 65)
    (alert,) = life.round(NOW + 66, 9.0)
    assert alert.annotations[RULE_ANNOTATION] == rule.revision
    life.file.close()


def test_timers_that_wait_for_core_survive_another_restart(tmp_path: Path) -> None:
    """Core was not asked in the life between."""
    rule = rule_from(tmp_path, clear_expr="m < 3", clear_for="60s")
    life = Life(tmp_path, rule)
    (alert,) = life.round(NOW, 9.0)
    life.round(NOW + 10, 1.0)
    life.file.close()
    life = Life(tmp_path, rule)
    life.round(NOW + 20, 1.0)
    life.file.close()
    life = Life(tmp_path, rule)
    life.restored([alert], NOW + 30)
    assert [one.state for one in life.round(NOW + 70, 1.0)] == [AlertState.RESOLVED]
    life.file.close()


def test_a_disk_that_takes_nothing_is_counted(tmp_path: Path) -> None:
    """Rounds go on, and timers begin anew."""
    (tmp_path / "data").write_text("not a folder")
    life = Life(tmp_path / "data", rule_from(tmp_path, for_="60s"))
    life.round(NOW, 9.0)
    assert len(life.round(NOW + 60, 9.0)) == 1
    assert life.file.num_failures >= 2
    life.file.close()
