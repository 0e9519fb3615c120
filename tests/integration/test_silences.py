"""Silences, merging, linking and resolving by hand on a real store: what is hidden is kept, and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.errors import InvalidTransition, NotFoundError
from opsbot.incident.incident import IncidentState
from opsbot.people import Person
from tests.support.alert_night import Night
from tests.support.alerts import RUNBOOK

U1 = Person("U1", via="Slack")


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """A store with the default policy."""
    return Night(tmp_path)


def test_what_a_silence_hides_opens_an_incident_at_its_end(night: Night) -> None:
    """It is counted meanwhile, and the reason can be asked for."""
    silence = night.silence('alertname="Slow"', length_s=600)
    night.fire("Slow")
    night.fire("Other")
    assert [night.view(name).incident.title for name in night.open_ids()] == ["Other on eu-1"]
    (live,) = night.stores.silences.silences(night.now)
    assert (live.silence_id, live.num_hidden, live.num_hiding) == ("SIL-1", 1, 1)
    decision = night.stores.incidents.explain("Slow").decisions[-1]
    assert (decision.kind, decision.text) == ("alert.silenced", "hidden by SIL-1 of U1: the rack moves")
    assert night.after(599).opened == ()
    assert night.after(2).opened == ("INC-2",)
    assert night.stores.silences.silence(silence.silence_id).num_hiding == 0


def test_what_ends_under_a_silence_was_told_to_nobody(night: Night) -> None:
    """It is counted all the same."""
    night.silence('cluster="eu-1"', length_s=600)
    night.fire("Slow")
    night.end("Slow")
    assert night.after(601).opened == ()
    assert night.why("Slow") == ["alert.silenced", "alert.over"]
    assert night.stores.silences.silence("SIL-1").num_hidden == 1


def test_ending_a_silence_by_hand(night: Night) -> None:
    """Its end is at once, by a name, and only once."""
    night.silence('alertname="Slow"')
    night.fire("Slow")
    ended = night.stores.silences.end("sil-1", "U2", night.now)
    assert (ended.ended_by, ended.is_live(night.now)) == ("U2", False)
    assert night.after(0).opened == ("INC-1",)
    with pytest.raises(InvalidTransition, match="SIL-1 is over already"):
        night.stores.silences.end("SIL-1", "U2", night.now)
    with pytest.raises(NotFoundError, match="there is no silence SIL-9"):
        night.stores.silences.end("SIL-9", "U2", night.now)


def test_a_silence_under_another_one(night: Night) -> None:
    """What two silences hide stays hidden until both are over."""
    night.silence('alertname="Slow"', length_s=100)
    night.silence('cluster="eu-1"', length_s=200)
    night.fire("Slow")
    assert night.after(150).opened == ()
    assert night.stores.silences.silence("SIL-2").num_hiding == 1
    assert night.after(100).opened == ("INC-1",)


def test_only_a_silence_that_hides_something_is_called_out_before_its_end(night: Night) -> None:
    """Once."""
    night.silence('alertname="Slow"', length_s=600)
    night.silence('alertname="Never"', length_s=600)
    night.fire("Slow")
    assert night.stores.silences.warn(night.now, 300) == ()
    night.now += 400
    (warned,) = night.stores.silences.warn(night.now, 300)
    assert warned.silence_id == "SIL-1"
    assert night.stores.silences.warn(night.now, 300) == ()
    assert [key for key in night.posted() if key.startswith("notice:")] == ["notice:silence.ends:SIL-1"]
    notice = night.stores.notices.notice("silence.ends:SIL-1")
    assert notice is not None
    assert notice.text == (
        'SIL-1 of U1 ends in 3 min and hides 1 alert that still fires (alertname="Slow"); they open incidents then. '
        "`/ops silence …` sets it anew"
    )


def test_the_same_request_is_the_same_silence(night: Night) -> None:
    """A repeat of a lost answer sets no second one."""
    first = night.silence('alertname="Slow"')
    match = first.match
    for _ in range(2):
        again = night.stores.silences.add(match, "why", "U1", night.now, night.now + 60, "r-1")
    assert again.silence_id == "SIL-2"
    assert len(night.stores.silences.silences(night.now)) == 2


def test_resolving_by_hand_needs_what_fires_to_be_silenced(night: Night) -> None:
    """Otherwise nobody would know; with a silence it comes back when that ends."""
    night.fire("Slow")
    with pytest.raises(InvalidTransition, match=r"1 of INC-1's alerts still fire \(Slow\).*silence 2h"):
        night.stores.handling.resolve("INC-1", U1, "a test", night.now)
    night.silence('alertname="Slow"', length_s=600)
    ended = night.stores.handling.resolve("INC-1", U1, "a test", night.now)
    assert ended.state is IncidentState.RESOLVED
    assert night.said()[-1] == "Resolved by hand: a test"
    night.now += 10
    night.ingest(night.alert("Slow"))
    assert night.open_ids() == []
    assert night.after(601).opened == ("INC-2",)
    with pytest.raises(InvalidTransition, match="INC-1 is resolved already"):
        night.stores.handling.resolve("INC-1", U1, "again", night.now)


def test_a_run_is_started_again_for_the_incident_that_comes_back(tmp_path: Path) -> None:
    """The same firing of the same alert is a new attempt then."""
    night = Night(tmp_path, runbooks=[RUNBOOK])
    night.fire("Slow")
    night.silence('alertname="Slow"', length_s=600)
    night.stores.handling.resolve("INC-1", U1, "a test", night.now)
    night.after(601)
    attempts = [run.run_id.rsplit(":", 1)[1] for run in night.stores.runs.queued()]
    assert attempts == ["1", "2"]


def test_a_merged_incident_ends_with_the_other(night: Night) -> None:
    """Its alerts count there from then on, those to come too; the list shows one."""
    night.fire("Slow")
    night.fire("Queue", severity="critical")
    into = night.stores.handling.merge("INC-2", "INC-1", U1, night.now)
    assert (into.incident_id, into.num_firing, into.severity) == ("INC-1", 2, "critical")
    assert night.open_ids() == ["INC-1"]
    merged = night.view("INC-2").incident
    assert (merged.state, merged.acknowledged_by, merged.merged_into) == (IncidentState.ACKNOWLEDGED, "U1", "INC-1")
    night.fire("Queue", pod="b", severity="critical")
    assert night.view().incident.num_firing == 3
    night.end("Slow")
    night.end("Queue", severity="critical")
    assert set(night.end("Queue", pod="b", severity="critical").resolved) == {"INC-1", "INC-2"}


def test_a_merge_can_be_taken_back(night: Night) -> None:
    """Its own alerts return; the other one keeps its own."""
    night.fire("Slow")
    night.fire("Queue")
    night.stores.handling.merge("INC-2", "INC-1", U1, night.now)
    night.now += 1
    own = night.stores.handling.take_apart("INC-2", U1, night.now)
    assert (own.merged_into, own.num_firing) == (None, 1)
    assert night.view().incident.num_firing == 1
    assert night.open_ids() == ["INC-1", "INC-2"]
    assert night.end("Queue").resolved == ("INC-2",)


def test_what_cannot_be_merged_says_why(night: Night) -> None:
    """Itself, what is over, what is not there."""
    night.fire("Slow")
    night.fire("Queue")
    night.end("Queue")
    handling = night.stores.handling
    with pytest.raises(InvalidTransition, match="cannot be merged into itself"):
        handling.merge("INC-1", "INC-1", U1, night.now)
    with pytest.raises(InvalidTransition, match="INC-2 is resolved; link the two instead"):
        handling.merge("INC-2", "INC-1", U1, night.now)
    with pytest.raises(NotFoundError, match="there is no incident INC-9"):
        handling.merge("INC-1", "INC-9", U1, night.now)
    with pytest.raises(InvalidTransition, match="is not merged"):
        handling.take_apart("INC-1", U1, night.now)


def test_links_are_kept_once_and_seen_from_both(night: Night) -> None:
    """Whichever way round they are said."""
    night.fire("Slow")
    night.fire("Queue")
    assert night.stores.handling.link("INC-1", "INC-2", U1, "same rack", night.now)
    assert not night.stores.handling.link("INC-2", "INC-1", U1, "same rack", night.now)
    assert [link.incident_id for link in night.view("INC-1").links] == ["INC-2"]
    assert [link.reason for link in night.view("INC-2").links] == ["same rack"]
