"""A store with a policy and a hand on its clock: alerts go in, incidents are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from opsbot.alert.alert import Alert, AlertState
from opsbot.alert.matching import label_match
from opsbot.alert.policy import AlertPolicy
from opsbot.alert.record import AlertRecord
from opsbot.alert.silence import Silence
from opsbot.incident.view import IncidentView
from opsbot.store import alerts
from opsbot.store.incidents import Ingested
from opsbot.store.repositories import Repositories
from opsbot.store.run_queue import RunbookToRun
from tests.support.alerts import open_database


class Night:
    """Times are seconds; `now` only moves when told to."""

    def __init__(self, folder: Path, policy: AlertPolicy | None = None, runbooks: Sequence[RunbookToRun] = ()) -> None:
        self.database = open_database(folder)
        self.stores = Repositories.over(self.database, AlertPolicy() if policy is None else policy)
        self.runbooks = runbooks
        self.now = 1000.0
        self.annotations: Mapping[str, str] = {}

    def fire(self, name: str, *, cluster: str = "eu-1", severity: str = "high", **more: str) -> Ingested:
        """An alert that begins now."""
        return self.ingest(self.alert(name, cluster=cluster, severity=severity, **more))

    def end(self, name: str, *, cluster: str = "eu-1", severity: str = "high", **more: str) -> Ingested:
        """Its end."""
        alert = self.alert(name, cluster=cluster, severity=severity, **more)
        return self.ingest(Alert(alert.labels, {}, AlertState.RESOLVED, alert.starts_at, self.now))

    def alert(self, name: str, *, cluster: str = "eu-1", severity: str = "high", **more: str) -> Alert:
        """An alert that fires since now."""
        labels = {"alertname": name, "cluster": cluster, "severity": severity, **more}
        texts = {"summary": f"{name} on {cluster}", **self.annotations}
        return Alert(labels, texts, AlertState.FIRING, self.now, value=1.0)

    def ingest(self, *given: Alert) -> Ingested:
        """One post of alerts."""
        return self.stores.incidents.ingest(given, self.now, lambda alert: self.runbooks)

    def after(self, seconds: float) -> Ingested:
        """Move the clock, then look again at what was put off."""
        self.now += seconds
        return self.stores.incidents.review(self.now, lambda alert: self.runbooks)

    def silence(self, *matchers: str, length_s: float = 3600.0, reason: str = "the rack moves") -> Silence:
        """A silence of U1 from now."""
        match = label_match(matchers)
        return self.stores.silences.add(match, reason, "U1", self.now, self.now + length_s)

    def view(self, incident_id: str = "INC-1") -> IncidentView:
        """What people see of an incident."""
        return self.stores.views.view(incident_id)

    def open_ids(self) -> list[str]:
        """Open incidents, oldest first."""
        views = self.stores.views.views(include_resolved=False)
        return [view.incident.incident_id for view in reversed(views)]

    def why(self, about: str) -> list[str]:
        """The kinds of what was decided, oldest first."""
        return [decision.kind for decision in self.stores.incidents.explain(about).decisions]

    def firing(self) -> tuple[AlertRecord, ...]:
        """Every alert that fires, hidden or not."""
        with self.database.read() as connection:
            return alerts.firing(connection)

    def said(self, incident_id: str = "INC-1") -> list[str]:
        """The incident's timeline, oldest first."""
        return [entry.text for entry in self.view(incident_id).timeline]

    def posted(self) -> list[str]:
        """Keys of what is to be shown."""
        return [item.key for item in self.stores.outbox.due(self.now + 1e9, 1000)]
