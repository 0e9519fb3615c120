"""From alerts to incidents, pages and runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from opsbot.alert.alert import Alert, AlertState, Severity
from opsbot.alert.matching import label_match
from opsbot.alert.policy import AlertPolicy, Grouping, Inhibition
from opsbot.backtest.finding import Episode
from opsbot.backtest.judge import Judge, TooManyError
from opsbot.incident.tracker import BLIND_ANNOTATION
from opsbot.runbook.model import Concurrency, MaxRuns, Runbook
from tests.unit.opsbot.backtest.test_starting import CALM

PAGED: tuple[Severity, ...] = ("critical", "high")


class Nights:
    """Alerts by instant; each is told as watch tells it: every time while it fires, and once when it ends."""

    def __init__(self, policy: AlertPolicy | None = None, runbooks: Sequence[Runbook] = (), most: int = 100) -> None:
        self.judge = Judge(AlertPolicy() if policy is None else policy, runbooks, PAGED, max_episodes=most)
        self.now = 1000.0
        self.firing: dict[tuple[str, str], Alert] = {}

    def tell(self, *fires: tuple[str, str, str], is_blind: bool = False, step_s: float = 60.0) -> None:
        """The alerts (name, cluster, severity) that fire a step later; all others have ended."""
        self.now += step_s
        told = []
        wanted = {(name, cluster): severity for name, cluster, severity in fires}
        for key, alert in list(self.firing.items()):
            if key not in wanted:
                told.append(replace(self.firing.pop(key), state=AlertState.RESOLVED, ends_at=self.now))
            else:
                told.append(replace(alert, annotations={BLIND_ANNOTATION: "true"} if is_blind else {}))
        for (name, cluster), severity in wanted.items():
            if (name, cluster) not in self.firing:
                labels = {"alertname": name, "cluster": cluster, "severity": severity}
                self.firing[name, cluster] = Alert(labels, {}, AlertState.FIRING, self.now)
                told.append(self.firing[name, cluster])
        self.judge.take(told, self.now, step_s)

    @property
    def found(self) -> list[Episode]:
        return self.judge.episodes


@pytest.fixture
def nights() -> Iterator[list[Nights]]:
    """What a test opened is closed."""
    opened: list[Nights] = []
    yield opened
    for one in opened:
        one.judge.close()


def begin(
    nights: list[Nights], policy: AlertPolicy | None = None, runbooks: Sequence[Runbook] = (), most: int = 100
) -> Nights:
    """A judge of that policy."""
    nights.append(Nights(policy, runbooks, most))
    return nights[-1]


def test_an_incident_pages_once_by_its_severity(nights: list[Nights]) -> None:
    """What joins it pages no more; what is less than high pages not at all."""
    night = begin(nights, AlertPolicy(default=Grouping(group_by=("cluster",))))
    night.tell(("A", "eu", "high"))
    night.tell(("A", "eu", "high"), ("B", "eu", "critical"), ("C", "us", "medium"))
    night.tell()
    assert [(one.name, one.incident, one.paged_at) for one in night.found] == [
        ("A", 1, 1060.0), ("B", 1, None), ("C", 2, None),
    ]  # fmt: skip
    assert night.judge.num_incidents == 2
    assert [(one.begins_at, one.ends_at) for one in night.found] == [
        (1060.0, 1180.0), (1120.0, 1180.0), (1120.0, 1180.0),
    ]  # fmt: skip


def test_an_incident_that_becomes_worse_pages_then(nights: list[Nights]) -> None:
    """By the alert that made it worse."""
    night = begin(nights, AlertPolicy(default=Grouping(group_by=("cluster",))))
    night.tell(("A", "eu", "medium"))
    night.tell(("A", "eu", "medium"), ("B", "eu", "high"))
    assert [(one.name, one.incident, one.paged_at) for one in night.found] == [("A", 1, None), ("B", 1, 1120.0)]


def test_what_flaps_keeps_one_incident_and_pages_once(nights: list[Nights]) -> None:
    """From the third firing within ten minutes on it is held open."""
    night = begin(nights)
    for _ in range(5):
        night.tell(("A", "eu", "high"))
        night.tell()
    incidents = [one.incident for one in night.found]
    assert incidents == [1, 2, 3, 3, 3]
    assert sum(one.paged_at is not None for one in night.found) == 3


def test_a_hidden_alert_opens_nothing_until_its_reason_is_gone(nights: list[Nights]) -> None:
    """And says what hides it."""
    hides = Inhibition(label_match(['alertname="Big"']), label_match(['alertname="Small"']), ("cluster",))
    night = begin(nights, AlertPolicy(inhibitions=(hides,)))
    night.tell(("Big", "eu", "high"), ("Small", "eu", "high"))
    small = next(one for one in night.found if one.name == "Small")
    assert (small.incident, small.hidden, small.paged_at) == (None, "hidden while Big fires", None)
    night.tell(("Small", "eu", "high"))
    small = next(one for one in night.found if one.name == "Small")
    assert (small.incident, small.hidden, small.paged_at) == (2, "", 1120.0)


def test_a_group_waits_for_its_others(nights: list[Nights]) -> None:
    """So long nobody is woken."""
    night = begin(nights, AlertPolicy(default=Grouping(group_by=("alertname",), group_wait_s=90.0)))
    night.tell(("A", "eu", "high"))
    assert night.found[0].hidden == "waits for others of its group"
    night.tell(("A", "eu", "high"), ("A", "us", "high"))
    night.tell(("A", "eu", "high"), ("A", "us", "high"))
    assert [(one.incident, one.paged_at) for one in night.found] == [(1, 1180.0), (1, None)]


def test_a_storm_of_one_name_is_few_pages(nights: list[Nights]) -> None:
    """Further ones share an incident."""
    night = begin(nights)
    night.tell(*(("A", f"c-{n:02d}", "high") for n in range(24)))
    assert night.judge.num_incidents == 11
    assert sum(one.paged_at is not None for one in night.found) == 11


def test_time_without_data_is_counted(nights: list[Nights]) -> None:
    """Also that of an alert which nobody evaluated."""
    night = begin(nights)
    night.tell(("A", "eu", "high"))
    night.tell(("A", "eu", "high"))
    night.tell(("A", "eu", "high"), is_blind=True)
    night.now += 60.0
    night.judge.take([], night.now, 60.0)
    night.tell()
    assert (night.found[0].blind_s, night.found[0].length_s(night.now)) == (120.0, 240.0)


def test_runbooks_start_as_their_limits_allow(nights: list[Nights]) -> None:
    """Each episode says what started for it and what was held back."""
    skips = replace(CALM, max_runs=MaxRuns(2, 3600.0), concurrency=Concurrency(None, "skip"))
    damped = AlertPolicy(default=Grouping())
    night = begin(nights, damped, [skips])
    for _ in range(3):
        night.tell(("Busy", "eu", "high"), ("Other", "eu", "high"))
        night.tell(step_s=900.0)
    held = [[start.held_back for start in one.starts] for one in night.found if one.name == "Busy"]
    assert held[:2] == [[""], [""]]
    assert held[2][0].startswith("it has run 2 times on eu within 1h and the trouble is back")
    assert all(not one.starts for one in night.found if one.name == "Other")


def test_a_run_waits_for_its_cooldown_while_its_incident_is_open(nights: list[Nights]) -> None:
    """And does not start once that has ended."""
    night = begin(nights, runbooks=[replace(CALM, cooldown_s=600.0)])
    night.tell(("Busy", "eu", "high"))
    night.tell()
    night.tell(("Busy", "eu", "high"))
    night.tell()
    night.tell(("Busy", "eu", "high"), step_s=300.0)
    for _ in range(5):
        night.tell(("Busy", "eu", "high"))
    first, second, third = (one.starts[0] for one in night.found)
    assert (first.at, first.held_back) == (1060.0, "")
    assert (second.at, second.held_back) == (1180.0, "its cooldown on eu ends in 8m")
    assert (third.at, third.held_back) == (1660.0, "")


def test_more_episodes_than_are_kept_end_it(nights: list[Nights]) -> None:
    """Memory is bounded."""
    night = begin(nights, most=3)
    night.tell(("A", "1", "low"), ("A", "2", "low"), ("A", "3", "low"))
    with pytest.raises(TooManyError):
        night.tell(("A", "4", "low"))
