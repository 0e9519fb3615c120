"""From alerts to incidents on a real store: grouping, waits, inhibition, flapping, and what becomes of runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.alert.matching import label_match
from opsbot.alert.policy import AlertPolicy, FlapDamping, Grouping, Inhibition
from opsbot.incident.incident import HoldKind, IncidentState
from tests.support.alert_night import Night
from tests.support.alerts import RUNBOOK

DARK = Grouping(label_match(['alertname="TargetDown"']), ("alertname",), 5.0)
HIDES = Inhibition(label_match(['alertname="BurnsFast"']), label_match(['alertname="BurnsSlowly"']), ("cluster",))
POLICY = AlertPolicy(groupings=(DARK,), inhibitions=(HIDES,))


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """A store with one grouping and one inhibition of its own."""
    return Night(tmp_path, POLICY)


def test_alerts_of_one_cluster_share_an_incident(night: Night) -> None:
    """Three pods of one cluster are one incident that ends with the last of them."""
    for pod in ("a", "b", "c"):
        night.fire("Slow", pod=pod)
    assert night.open_ids() == ["INC-1"]
    incident = night.view().incident
    assert (incident.num_alerts, incident.num_firing) == (3, 3)
    assert incident.labels == {"alertname": "Slow", "cluster": "eu-1", "severity": "high"}
    night.end("Slow", pod="a")
    night.end("Slow", pod="c")
    assert night.view().incident.num_firing == 1
    assert night.end("Slow", pod="b").resolved == ("INC-1",)
    assert night.said()[-1] == "Resolved: Slow no longer fires"
    assert night.why("INC-1").count("alert.joined") == 2


def test_other_clusters_are_other_incidents(night: Night) -> None:
    """By default the cluster is part of what an incident is about."""
    night.fire("Slow")
    night.fire("Slow", cluster="us-1")
    assert night.open_ids() == ["INC-1", "INC-2"]


def test_a_worse_alert_raises_the_severity(night: Night) -> None:
    """And says so in the channel; it never falls again by itself."""
    night.fire("Slow", severity="low")
    night.fire("Slow", severity="critical")
    night.end("Slow", severity="critical")
    assert night.view().incident.severity == "critical"
    raised = [entry for entry in night.view().timeline if entry.kind == "incident.severity_raised"]
    assert [(entry.text, entry.is_broadcast) for entry in raised] == [
        ("Severity raised from low to critical: Slow on eu-1", True)
    ]


def test_a_region_that_goes_dark_is_one_incident(night: Night) -> None:
    """Twenty-four alerts within the wait open one incident, and only a few of them speak in its thread."""
    for number in range(24):
        night.now += 0.1
        night.fire("TargetDown", cluster=f"eu-{number}")
    assert night.open_ids() == []
    assert night.why("TargetDown").count("alert.waiting") == 24
    assert night.after(1).opened == ()
    assert night.after(3).opened == ("INC-1",)
    incident = night.view().incident
    assert (incident.num_alerts, incident.num_firing) == (24, 24)
    assert "cluster" not in incident.labels
    assert len(night.view().timeline) == 24
    assert len([key for key in night.posted() if "alert.joined" in key]) == 4
    night.fire("TargetDown", cluster="us-1")
    assert night.view().incident.num_alerts == 25


def test_what_ends_while_it_waits_pages_nobody(night: Night) -> None:
    """A blip shorter than the wait opens nothing, and can be asked about."""
    night.fire("TargetDown")
    night.now += 2
    night.end("TargetDown")
    assert night.after(10).opened == ()
    assert night.why("TargetDown") == ["alert.waiting", "alert.over"]


def test_a_source_hides_its_targets_until_it_ends(night: Night) -> None:
    """In one post the order does not matter; afterwards what still fires opens an incident."""
    night.ingest(night.alert("BurnsSlowly"), night.alert("BurnsFast"))
    night.fire("BurnsSlowly", cluster="us-1")
    assert [night.view(name).incident.title for name in night.open_ids()] == [
        "BurnsFast on eu-1",
        "BurnsSlowly on us-1",
    ]
    hidden = night.alert("BurnsSlowly").fingerprint
    assert night.why(hidden) == ["alert.inhibited"]
    assert night.after(5).opened == ()
    night.end("BurnsFast")
    assert night.after(1).opened == ("INC-3",)
    assert night.view("INC-3").incident.title == "BurnsSlowly on eu-1"


def test_an_alert_that_flaps_keeps_its_incident(tmp_path: Path) -> None:
    """From the third firing on, its end is only believed after a quiet time; a fourth one goes on with it."""
    night = Night(tmp_path, AlertPolicy(flapping=FlapDamping(3, 600, 300)))
    for _ in range(3):
        night.fire("Slow")
        night.after(20)
        night.end("Slow")
        night.after(20)
    assert night.open_ids() == ["INC-3"]
    held = night.view("INC-3").incident
    assert held.state is IncidentState.MITIGATED
    assert held.hold is not None
    assert held.hold.kind is HoldKind.FLAPPING
    assert night.said("INC-3")[-1] == (
        "It comes and goes: 3 times within 10m. Stays open until it has been quiet for 5m"
    )
    night.fire("Slow")
    again = night.view("INC-3").incident
    assert (again.state, again.hold, again.num_alerts) == (IncidentState.OPEN, None, 2)
    night.end("Slow")
    assert night.after(299).resolved == ()
    assert night.after(2).resolved == ("INC-3",)


def test_an_acknowledged_incident_that_fires_again_stays_acknowledged(tmp_path: Path) -> None:
    """Whoever has it still has it."""
    night = Night(tmp_path, AlertPolicy(flapping=FlapDamping(1, 600, 300)))
    night.fire("Slow")
    night.stores.incidents.move("INC-1", IncidentState.ACKNOWLEDGED, night.now, note=None, user_id="U1")
    night.end("Slow")
    night.after(1)
    night.fire("Slow")
    assert night.view().incident.state is IncidentState.ACKNOWLEDGED


def test_an_earlier_incident_of_the_group_is_linked(night: Night) -> None:
    """Who is paged again within a day is told of the last time."""
    night.fire("Slow")
    night.end("Slow")
    night.after(40)
    night.fire("Slow")
    (link,) = night.view("INC-2").links
    assert (link.incident_id, link.reason) == ("INC-1", "fired again 40s after INC-1 was resolved")
    assert night.view("INC-1").links[0].incident_id == "INC-2"
    night.end("Slow")
    night.after(25 * 3600)
    night.fire("Slow")
    assert night.view("INC-3").links == ()


def test_each_cluster_of_an_incident_gets_its_run_once(tmp_path: Path) -> None:
    """Two pods of a cluster are one run; a run keeps its own alert's labels."""
    night = Night(tmp_path, AlertPolicy(groupings=(Grouping(None, ("alertname",)),)), [RUNBOOK])
    for cluster, pod in (("eu-1", "a"), ("eu-1", "b"), ("us-1", "a")):
        night.fire("Slow", cluster=cluster, pod=pod)
    runs = night.stores.runs.queued()
    assert [(run.incident_id, run.labels and run.labels["cluster"]) for run in runs] == [
        ("INC-1", "eu-1"),
        ("INC-1", "us-1"),
    ]


def test_all_labels_make_an_incident_each(tmp_path: Path) -> None:
    """`...` is Alertmanager's own word for it."""
    night = Night(tmp_path, AlertPolicy(default=Grouping(None, ("...",))))
    night.fire("Slow", pod="a")
    night.fire("Slow", pod="b")
    assert night.open_ids() == ["INC-1", "INC-2"]


def test_a_core_that_starts_again_goes_on(tmp_path: Path) -> None:
    """Waits, silences, inhibitions and flap holds are rows: another process over the same file takes them up."""
    policy = AlertPolicy(groupings=(DARK,), inhibitions=(HIDES,), flapping=FlapDamping(1, 600, 30))
    first = Night(tmp_path, policy)
    first.fire("TargetDown")
    first.fire("BurnsFast")
    first.fire("BurnsSlowly")
    first.silence('alertname="Quiet"', length_s=20)
    first.fire("Quiet")
    first.fire("Flaps")
    first.end("Flaps")
    first.database.engine.dispose()

    again = Night(tmp_path, policy)
    again.now = first.now
    assert again.after(6).opened == ("INC-3",)
    assert again.view("INC-3").incident.title == "TargetDown on eu-1"
    again.end("BurnsFast")
    assert again.after(1).opened == ("INC-4",)
    assert again.after(15).opened == ("INC-5",)
    assert again.after(10).resolved == ("INC-2",)
    assert again.after(10).resolved == ("INC-1",)
    assert again.open_ids() == ["INC-3", "INC-4", "INC-5"]


def test_old_alerts_are_forgotten_but_the_newest_of_each(night: Night) -> None:
    """What is left still tells a late duplicate apart."""
    late = night.alert("Slow")
    for _ in range(3):
        night.fire("Slow")
        night.after(1000)
        night.end("Slow")
        night.after(1000)
    assert night.stores.incidents.forget_alerts(night.now) == 2
    night.ingest(late)
    assert night.open_ids() == []
    assert night.why(late.fingerprint)[-1] == "alert.dropped"


def test_who_takes_it_while_it_is_held_keeps_it_when_it_fires_again(tmp_path: Path) -> None:
    """And the alert is taken like any other."""
    night = Night(tmp_path, AlertPolicy(flapping=FlapDamping(1, 600, 300)))
    night.fire("Slow")
    night.end("Slow")
    night.stores.incidents.move("INC-1", IncidentState.ACKNOWLEDGED, night.now, note=None, user_id="U1")
    night.after(1)
    night.fire("Slow")
    incident = night.view().incident
    assert (incident.state, incident.hold, incident.num_firing) == (IncidentState.ACKNOWLEDGED, None, 1)


def test_a_storm_of_one_name_becomes_one_incident(night: Night) -> None:
    """Ten stand alone, all others share one; another name, and a quieter minute, are told as usual."""
    for number in range(50):
        night.fire("Slow", cluster=f"eu-{number}")
    assert len(night.open_ids()) == 11
    storm = night.view("INC-11").incident
    assert (storm.num_alerts, storm.labels) == (40, {"alertname": "Slow", "severity": "high"})
    night.fire("Other")
    assert night.view("INC-12").incident.title == "Other on eu-1"
    night.after(61)
    night.fire("Slow", cluster="us-1")
    assert night.view("INC-13").incident.title == "Slow on us-1"
    for number in range(50):
        night.end("Slow", cluster=f"eu-{number}")
    assert night.open_ids() == ["INC-12", "INC-13"]
