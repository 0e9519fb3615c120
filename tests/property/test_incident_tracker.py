"""Whatever the order of alerts: one open incident for each cause, and episodes only count up."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.alert.alert import Alert
from opsbot.alert.policy import AlertPolicy, FlapDamping
from opsbot.incident.incident import IncidentState
from opsbot.store.incidents import IncidentRepository
from tests.support.alerts import firing, open_database, resolved

CLUSTERS = ("eu-1", "eu-2")

NO_DAMPING = AlertPolicy(flapping=FlapDamping(count=1000))

alerts = st.builds(
    lambda cluster, at, is_firing: (
        firing(starts_at=float(at), cluster=cluster) if is_firing else resolved(ends_at=float(at), cluster=cluster)
    ),
    st.sampled_from(CLUSTERS),
    st.integers(1, 5),
    st.booleans(),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(alerts, max_size=4), max_size=8))
def test_one_open_incident_for_each_cause(batches: list[list[Alert]]) -> None:
    """Late, repeated and out-of-order alerts never open a second incident beside an open one, nor reopen an old one."""
    with TemporaryDirectory() as folder:
        database = open_database(Path(folder))
        repository = IncidentRepository(database, NO_DAMPING)
        last_firing: dict[str, bool] = {}
        for number, batch in enumerate(batches):
            before = {i.incident_id: i for i in repository.incidents(include_resolved=True)}
            repository.ingest(batch, 1000.0 + number, lambda alert: [])
            for alert in batch:
                last_firing[alert.fingerprint] = alert.state == "firing"
            after = repository.incidents(include_resolved=True)
            for incident in after:
                known = before.get(incident.incident_id)
                if known is not None and known.is_resolved:
                    assert incident == known
            for cause in {incident.lead for incident in after}:
                episodes = sorted((i.episode, i.is_resolved) for i in after if i.lead == cause)
                assert [episode for episode, _ in episodes] == list(range(1, len(episodes) + 1))
                assert all(is_over for _, is_over in episodes[:-1])
                if not last_firing[cause]:
                    assert episodes[-1][1]
        assert all(i.state in IncidentState for i in repository.incidents(include_resolved=True))
        database.close()
