"""Whatever comes in whatever order: each alert that fires is in an open incident, or hidden for a live reason."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from opsbot.alert.matching import label_match
from opsbot.alert.policy import AlertPolicy, FlapDamping, Grouping, Inhibition
from opsbot.alert.record import Hiding
from opsbot.errors import OpsbotError
from opsbot.incident.incident import IncidentState
from opsbot.people import Person
from tests.support.alert_night import Night

NAMES = ("Slow", "Dark", "Fast")
CLUSTERS = ("eu-1", "us-1")
PODS = ("a", "b")
POLICY = AlertPolicy(
    groupings=(Grouping(label_match(['alertname="Dark"']), ("alertname",), 5.0),),
    inhibitions=(Inhibition(label_match(['alertname="Fast"']), label_match(['alertname="Slow"']), ("cluster",)),),
    flapping=FlapDamping(3, 60, 30),
)

name, cluster, pod = st.sampled_from(NAMES), st.sampled_from(CLUSTERS), st.sampled_from(PODS)
number = st.integers(1, 4)

U1 = Person("U1", via="Slack")


class Nights(RuleBasedStateMachine):
    """People, clocks and alerts, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self.night = Night(Path(self._folder.name), POLICY)
        self.should_fire: set[tuple[str, str, str]] = set()

    def teardown(self) -> None:
        self.night.database.close()
        self._folder.cleanup()

    @rule(name=name, cluster=cluster, pod=pod)
    def fire(self, name: str, cluster: str, pod: str) -> None:
        """One alert begins, or goes on."""
        self.night.now += 1
        self.night.fire(name, cluster=cluster, pod=pod)
        self.should_fire.add((name, cluster, pod))

    @rule(name=name, cluster=cluster, pod=pod)
    def end(self, name: str, cluster: str, pod: str) -> None:
        """One alert ends, or its end comes twice."""
        self.night.now += 1
        self.night.end(name, cluster=cluster, pod=pod)
        self.should_fire.discard((name, cluster, pod))

    @rule(name=name, length=st.sampled_from((3.0, 40.0)))
    def silence(self, name: str, length: float) -> None:
        """Somebody silences an alert."""
        self.night.silence(f'alertname="{name}"', length_s=length)

    @rule(number=number)
    def end_silence(self, number: int) -> None:
        """Somebody ends a silence, perhaps one that is not there."""
        self.attempt(lambda: self.night.stores.silences.end(f"SIL-{number}", "U1", self.night.now))

    @rule(one=number, other=number)
    def merge(self, one: int, other: int) -> None:
        """Somebody merges two incidents."""
        self.night.now += 1
        self.attempt(lambda: self.night.stores.handling.merge(f"INC-{one}", f"INC-{other}", U1, self.night.now))

    @rule(one=number)
    def take_apart(self, one: int) -> None:
        """Somebody takes a merge back."""
        self.night.now += 1
        self.attempt(lambda: self.night.stores.handling.take_apart(f"INC-{one}", U1, self.night.now))

    @rule(one=number)
    def resolve(self, one: int) -> None:
        """Somebody resolves an incident by hand."""
        self.night.now += 1
        self.attempt(lambda: self.night.stores.handling.resolve(f"INC-{one}", U1, "a test", self.night.now))

    @rule(one=number)
    def acknowledge(self, one: int) -> None:
        """Somebody takes an incident, in whatever state it is."""
        incidents = self.night.stores.incidents
        state = IncidentState.ACKNOWLEDGED
        self.attempt(lambda: incidents.move(f"INC-{one}", state, self.night.now, note=None, user_id="U1"))

    @rule(seconds=st.sampled_from((1.0, 6.0, 35.0, 70.0)))
    def wait(self, seconds: float) -> None:
        """Time passes, and what was put off is looked at again."""
        self.night.after(seconds)

    @staticmethod
    def attempt(change: object) -> None:
        """Carry *change* out; a refusal changes nothing."""
        assert callable(change)
        try:
            change()
        except OpsbotError:
            return

    @invariant()
    def every_alert_is_somewhere(self) -> None:
        """In an open incident that says so, or hidden by something that is still there."""
        self.night.after(0)
        firing = self.night.firing()
        assert {(r.labels["alertname"], r.labels["cluster"], r.labels["pod"]) for r in firing} == self.should_fire
        live = {silence.silence_id for silence in self.night.stores.silences.silences(self.night.now)}
        marks = {record.fingerprint for record in firing}
        counts: dict[str, int] = {}
        for record in firing:
            match record.hiding:
                case None:
                    assert record.incident_id is not None
                    counts[record.incident_id] = counts.get(record.incident_id, 0) + 1
                case Hiding.SILENCE:
                    assert record.hidden_by in live
                case Hiding.INHIBITION:
                    assert record.hidden_by in marks
                case _:
                    assert record.hidden_until is not None
                    assert record.hidden_until > self.night.now
        for incident in self.night.stores.incidents.incidents(include_resolved=True):
            assert incident.num_firing == counts.get(incident.incident_id, 0)
            if incident.is_resolved:
                assert incident.num_firing == 0
            elif incident.num_firing == 0:
                assert incident.hold is not None or incident.merged_into is not None
            if incident.merged_into is not None and incident.state is not IncidentState.RESOLVED:
                assert not self.night.view(incident.merged_into).incident.is_resolved


Nights.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestNights = Nights.TestCase
