"""The store on a real file: what is accepted is there with all that follows from it, or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from opsbot.alert.alert import Alert, AlertState
from opsbot.errors import ApprovalError, InvalidTransition, NotFoundError
from opsbot.incident.handle import handle_of
from opsbot.incident.incident import IncidentState
from opsbot.incident.tracker import END_ANNOTATION
from opsbot.notify.outbox import OutboxState
from opsbot.people import Person
from opsbot.runbook.run import RunState
from opsbot.runbook.store import ApprovalRow, Change
from opsbot.store import schema
from opsbot.store.approvals import ApprovalRepository
from opsbot.store.control import RunControl
from opsbot.store.database import Database, StoreError
from opsbot.store.incidents import IncidentRepository
from opsbot.store.outbox import OutboxRepository
from opsbot.store.run_queue import RunbookToRun
from opsbot.store.runs import RunRepository
from tests.support.alerts import RUNBOOK, firing, open_database, resolved

pytestmark = pytest.mark.integration


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A store of its own for each test."""
    opened = open_database(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def incidents(database: Database) -> IncidentRepository:
    """Its incidents."""
    return IncidentRepository(database)


@pytest.fixture
def approvals(database: Database) -> ApprovalRepository:
    """What people decide, over the same database."""
    return ApprovalRepository(database)


@pytest.fixture
def runs(database: Database, incidents: IncidentRepository) -> RunRepository:
    """Its runs."""
    return RunRepository(database, incidents)


@pytest.fixture
def outbox(database: Database) -> OutboxRepository:
    """Its outbox."""
    return OutboxRepository(database)


def with_runbook(alert: Alert) -> Sequence[RunbookToRun]:
    """Every alert starts the one runbook."""
    return [RUNBOOK]


def test_what_is_stored_outlives_the_process(tmp_path: Path) -> None:
    """A second opening of the same file migrates nothing anew and finds what the first one stored."""
    first = open_database(tmp_path)
    IncidentRepository(first).ingest([firing()], 1.0, with_runbook)
    first.close()
    second = open_database(tmp_path)
    assert [i.incident_id for i in IncidentRepository(second).incidents(include_resolved=True)] == ["INC-1"]
    second.close()


def test_a_commit_is_flushed_before_it_is_told(database: Database) -> None:
    """SQLite runs with a write-ahead log and a flush at every commit."""
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_an_alert_opens_an_incident_with_its_run_and_its_message(
    incidents: IncidentRepository, runs: RunRepository, outbox: OutboxRepository
) -> None:
    """One transaction holds the incident, the queued run, the timeline and the wish to show them."""
    done = incidents.ingest([firing()], 1000.0, with_runbook)
    assert done.opened == ("INC-1",)
    assert [(run.run_id, run.state, run.revision) for run in runs.queued()] == [(done.runs[0], RunState.QUEUED, "r1")]
    assert [item.kind for item in outbox.due(1000.0)] == ["incident_message", "timeline_entry", "timeline_entry"]
    assert [alert.labels["cluster"] for alert in incidents.firing()] == ["eu-1"]


def test_a_failure_in_the_middle_accepts_nothing(incidents: IncidentRepository, outbox: OutboxRepository) -> None:
    """When choosing runbooks breaks on the second alert, the first is not there either."""

    def choose(alert: Alert) -> Sequence[RunbookToRun]:
        if alert.labels["cluster"] == "eu-2":
            raise RuntimeError("broken")
        return [RUNBOOK]

    with pytest.raises(RuntimeError):
        incidents.ingest([firing(), firing(cluster="eu-2")], 1.0, choose)
    assert incidents.incidents(include_resolved=True) == ()
    assert outbox.due(1.0) == ()


def test_a_hundred_senders_at_once_open_one_incident(incidents: IncidentRepository, runs: RunRepository) -> None:
    """However many deliver the same alert at the same moment, there is one incident and one run."""
    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(lambda _: incidents.ingest([firing()], 1.0, with_runbook), range(100)))
    assert sum(len(one.opened) for one in done) == 1
    assert len(runs.queued()) == 1


def test_a_new_episode_is_a_new_incident(incidents: IncidentRepository) -> None:
    """After its end the same cause opens another incident; a late duplicate of the old one does not."""
    incidents.ingest([firing(starts_at=100)], 100.0, with_runbook)
    assert incidents.ingest([resolved()], 200.0, with_runbook).resolved == ("INC-1",)
    assert incidents.ingest([firing(starts_at=100)], 201.0, with_runbook).opened == ()
    assert incidents.ingest([firing(starts_at=300)], 300.0, with_runbook).opened == ("INC-2",)
    kinds = [kind for _, kind, _ in incidents.decisions(firing().fingerprint)]
    assert kinds == ["incident.opened", "incident.resolved", "alert.dropped", "incident.opened"]


def test_a_resolved_incident_stays_so(incidents: IncidentRepository) -> None:
    """There is no way back from resolved, and unknown ids are said to be unknown."""
    incidents.ingest([firing(), resolved()], 1.0, with_runbook)
    with pytest.raises(InvalidTransition, match="INC-1 is resolved"):
        incidents.move("INC-1", IncidentState.ACKNOWLEDGED, 2.0, note=None)
    with pytest.raises(NotFoundError, match="INC-7"):
        incidents.incident("inc-7")
    with pytest.raises(NotFoundError, match="no incident"):
        incidents.incident("7a")


def test_an_end_that_is_no_recovery_is_said_to_be_none(incidents: IncidentRepository) -> None:
    """Of one of several alerts and of the last: watch names the reason, as when a target was taken out of its list."""
    other, why = "TimeToFirstTokenHigh", {END_ANNOTATION: "its target was taken out of the list"}
    incidents.ingest([firing(), firing(other)], 100.0, with_runbook)
    for at_s, end in ((150.0, resolved()), (200.0, resolved(other))):
        incidents.ingest([replace(end, annotations=why)], at_s, with_runbook)
    said = [
        text
        for one in (firing(), firing(other))
        for _, kind, text in incidents.decisions(one.fingerprint)
        if kind in ("alert.left", "incident.resolved")
    ]
    assert len(said) == 2
    assert all(text.endswith(". Not because it recovered: its target was taken out of the list") for text in said)


def test_an_approval_is_decided_once(
    incidents: IncidentRepository, runs: RunRepository, approvals: ApprovalRepository
) -> None:
    """The first decision counts; the same again is harmless, another one is refused and names who was first."""
    (run_id,) = incidents.ingest([firing()], 1.0, with_runbook).runs
    row = ApprovalRow("a-1", run_id, "s", "INC-1", "responder", "do", "undo", "d", 1.0, 100.0)
    runs.commit(Change(run_id, 1.0, approval=row))
    runs.commit(Change(run_id, 2.0, approval=replace(row, will_do="something else")))
    assert runs.approval("a-1").will_do == "do"
    assert approvals.decide("a-1", is_granted=True, person=Person("U1"), now=5.0).state == "granted"
    assert approvals.decide("a-1", is_granted=True, person=Person("U1"), now=6.0).decided_at == 5.0
    with pytest.raises(ApprovalError, match="<@U1> has granted"):
        approvals.decide("a-1", is_granted=False, person=Person("U2"), now=7.0)
    assert runs.close_approval("a-1", 200.0).state == "granted"


def test_an_approval_expires(incidents: IncidentRepository, runs: RunRepository, approvals: ApprovalRepository) -> None:
    """Past its time it cannot be granted, even before anybody wrote down that it expired."""
    (run_id,) = incidents.ingest([firing()], 1.0, with_runbook).runs
    row = ApprovalRow("a-1", run_id, "s", "INC-1", "responder", "do", "undo", "d", 1.0, 100.0)
    runs.commit(Change(run_id, 1.0, approval=row))
    with pytest.raises(ApprovalError, match="expired"):
        approvals.decide("a-1", is_granted=True, person=Person("U1"), now=100.0)
    assert runs.close_approval("a-1", 101.0).state == "expired"


def test_a_run_moves_only_where_its_table_says(incidents: IncidentRepository, runs: RunRepository) -> None:
    """A queued run cannot be holding."""
    (run_id,) = incidents.ingest([firing()], 1.0, with_runbook).runs
    with pytest.raises(InvalidTransition, match="queued and cannot become holding"):
        runs.move_run(run_id, RunState.HOLDING, "", 2.0)
    assert runs.counts() == {"queued": 1}


def test_incidents_that_nobody_knows_of_are_told_first(incidents: IncidentRepository, outbox: OutboxRepository) -> None:
    """A new incident's message goes before the thread of an older one, however long that is."""
    incidents.ingest([firing()], 1.0, with_runbook)
    outbox.mark_delivered("incident:INC-1", 1, "C1", "1.0")
    incidents.ingest([firing(cluster="eu-2")], 2.0, with_runbook)
    assert outbox.due(3.0)[0].key == "incident:INC-2"


def test_news_does_not_cut_a_back_off_short(incidents: IncidentRepository, outbox: OutboxRepository) -> None:
    """While Slack asked us to wait, a change only raises the revision; an item given up gets another try."""
    incidents.ingest([firing()], 1.0, lambda alert: [])
    key = "incident:INC-1"
    outbox.mark_retry(key, 50.0, "ratelimited", outcome_unknown=True)
    before = outbox.item(key)
    incidents.ingest([firing(value=0.95)], 2.0, lambda alert: [])
    item = outbox.item(key)
    assert before is not None
    assert item is not None
    assert item.revision > before.revision
    assert (item.next_at, item.state) == (50.0, OutboxState.SENDING)
    assert key not in [due.key for due in outbox.due(49.0)]
    outbox.mark_failed(key, "invalid_blocks")
    incidents.ingest([firing(value=0.96)], 60.0, lambda alert: [])
    item = outbox.item(key)
    assert item is not None
    assert (item.state, item.attempts, item.next_at) == (OutboxState.PENDING, 0, 0.0)


def test_what_was_decided_is_found_by_every_name(incidents: IncidentRepository) -> None:
    """By the incident's id, the alert's name or its fingerprint; other alerts are left out."""
    (opened,) = incidents.ingest([firing()], 10.0, lambda alert: []).opened
    incidents.ingest([resolved()], 20.0, lambda alert: [])
    incidents.ingest([firing(), firing("Other")], 30.0, lambda alert: [])  # the first is a late duplicate
    expected = ["incident.opened", "incident.resolved", "alert.dropped"]
    for about in (opened, opened.lower(), "KVCachePressure", firing().fingerprint):
        found = incidents.explain(about)
        assert [decision.kind for decision in found.decisions] == expected
        assert [incident.incident_id for incident in found.incidents] == [opened]
    dropped = incidents.explain("KVCachePressure").decisions[-1]
    assert (dropped.at, dropped.alertname) == (30.0, "KVCachePressure")
    assert incidents.explain("nothing").decisions == ()
    with pytest.raises(NotFoundError):
        incidents.explain("INC-99")


def test_decisions_of_before_are_kept(tmp_path: Path) -> None:
    """A file of the first release is migrated; what it holds is found by fingerprint."""
    database = open_database(tmp_path)
    IncidentRepository(database).ingest([firing()], 10.0, lambda alert: [])
    with database.engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    database.close()
    again = open_database(tmp_path)
    (decision,) = IncidentRepository(again).explain(firing().fingerprint).decisions
    assert (decision.kind, decision.alertname) == ("incident.opened", None)
    again.close()


def test_runs_of_before_have_a_handle(tmp_path: Path) -> None:
    """A run from before they had short names is found by its own after the migration."""
    database = open_database(tmp_path)
    (run_id,) = IncidentRepository(database).ingest([firing()], 10.0, lambda alert: [RUNBOOK]).runs
    with database.engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.downgrade(config, "0009")
    database.close()
    again = open_database(tmp_path)
    assert RunControl(again).find(handle_of(run_id)).run_id == run_id
    again.close()


def test_old_decisions_are_forgotten(incidents: IncidentRepository) -> None:
    """Decision records go when they are old; the incident stays."""
    incidents.ingest([firing()], 10.0, lambda alert: [])
    assert incidents.forget_decisions(older_than=11.0) == 1
    assert incidents.decisions(firing().fingerprint) == ()
    assert incidents.counts() == {"open": 1}


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    """Opening rubbish fails with the file's name."""
    (tmp_path / "opsbot.sqlite").write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(StoreError, match=r"opsbot\.sqlite cannot be opened"):
        open_database(tmp_path)


def test_a_locked_database_refuses_and_then_accepts(
    tmp_path: Path, incidents: IncidentRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process holds the write lock nothing is accepted; afterwards the same alert is."""
    monkeypatch.setattr("opsbot.store.database.BUSY_TIMEOUT_MS", 50)
    database = open_database(tmp_path)
    other = IncidentRepository(database)
    blocker = sqlite3.connect(tmp_path / "opsbot.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError) as refused:
        other.ingest([firing()], 1.0, with_runbook)
    assert refused.value.retryable
    blocker.execute("ROLLBACK")
    blocker.close()
    assert other.ingest([firing()], 2.0, with_runbook).opened == ("INC-1",)
    assert len(incidents.incidents(include_resolved=False)) == 1
    database.close()


def test_the_worst_incident_is_told_first(incidents: IncidentRepository, outbox: OutboxRepository) -> None:
    """In a storm the first messages wait for each other."""
    for number, severity in enumerate(("low", "critical", "high")):
        labels = {"alertname": f"A{number}", "cluster": "eu-1", "severity": severity}
        incidents.ingest([Alert(labels, {}, AlertState.FIRING, 1.0)], 1.0, lambda alert: [])
    firsts = [item.ref for item in outbox.due(2.0) if item.kind == "incident_message"]
    assert firsts == ["INC-2", "INC-3", "INC-1"]
