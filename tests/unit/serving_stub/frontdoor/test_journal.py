"""The lease journal: what survives a restart, a torn line, a full disk and a second server."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_stub.errors import JournalError
from serving_stub.frontdoor.audit import MAX_NUM_NOTES, Note
from serving_stub.frontdoor.journal import LeaseJournal, decode, encode
from serving_stub.frontdoor.lease import Ended, EndReason, Granted, Lease, LeaseEvent, LeaseState, Renewed
from tests.support.serving_leases import EMPTY, KNOB, lease_request


def grant(lease_id: str, value: int = 8, expires_at: float = 100.0) -> Granted:
    """An event that a journal may hold."""
    return Granted(Lease(lease_id, lease_request(value, key=lease_id), 0.0, expires_at, in_force_before=32))


def reopened(path: Path, now: float = 1.0) -> dict[str, Lease]:
    """The leases that a server which starts at *now* knows."""
    journal, book = LeaseJournal.open(path, [KNOB], now)
    journal.close()
    return dict(book.leases)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "state" / "leases.jsonl"


def test_a_restart_knows_the_same_leases(path: Path) -> None:
    """Grants, renewals and ends are there again after a restart."""
    journal, book = LeaseJournal.open(path, [KNOB], 0.0)
    events = (grant("a"), grant("b", 4), Renewed("a", 200.0), Ended("b", 5.0, EndReason.RELEASED))
    for event in events:
        journal.append((event,))
    journal.close()
    assert reopened(path, now=6.0) == book.apply_all(events).leases


def test_a_lease_that_ran_out_while_down_is_ended(path: Path) -> None:
    """A restart ends what expired meanwhile, at the time it expired."""
    journal, _ = LeaseJournal.open(path, [KNOB], 0.0)
    journal.append((grant("a", expires_at=100.0),))
    journal.close()
    lease = reopened(path, now=500.0)["a"]
    assert (lease.ended_at, lease.end_reason) == (100.0, EndReason.EXPIRED)


def test_start_writes_the_journal_anew(path: Path) -> None:
    """After a start there is one line a lease, however often it was renewed."""
    journal, _ = LeaseJournal.open(path, [KNOB], 0.0)
    journal.append((grant("a"), *(Renewed("a", 100.0 + number) for number in range(50))))
    journal.close()
    reopened(path)
    assert [json.loads(line)["event"] for line in path.read_bytes().splitlines()] == ["granted", "counted"]
    assert reopened(path)["a"].expires_at == 149.0


EVENTS = st.lists(
    st.one_of(
        st.builds(grant, st.sampled_from(["a", "b", "ü\n"]), st.integers(1, 32), st.floats(10, 1000)),
        st.builds(Renewed, st.sampled_from(["a", "b"]), st.floats(10, 1000)),
        st.builds(Ended, st.sampled_from(["a", "b"]), st.floats(0, 10), st.sampled_from(EndReason)),
    ),
    max_size=6,
)


@given(EVENTS, st.data())
def test_a_cut_at_any_byte_loses_only_the_line_it_cuts(events: list[LeaseEvent], data: st.DataObject) -> None:
    """Replay of a journal that ends at any byte gives the state after its complete lines."""
    content = b"".join(map(encode, events))
    cut = content[: data.draw(st.integers(0, len(content)))]
    complete = events[: cut.count(b"\n")]
    assert EMPTY.apply_all(decode(cut, "journal")[0]) == EMPTY.apply_all(complete)


def test_a_damaged_line_before_the_end_is_not_skipped() -> None:
    """Damage in the middle is told with its line instead of losing leases silently."""
    with pytest.raises(JournalError, match=r"leases\.jsonl:1: not a lease event"):
        decode(b'{"event":"gran\n' + encode(grant("a")), "leases.jsonl")


def test_appending_after_a_torn_line_is_readable(path: Path) -> None:
    """What a crash tore off does not spoil the line that is written next."""
    path.parent.mkdir()
    path.write_bytes(encode(grant("a")) + encode(grant("b"))[:20])
    journal, _ = LeaseJournal.open(path, [KNOB], 0.0)
    journal.append((grant("c"),))
    journal.close()
    assert set(reopened(path)) == {"a", "c"}


def test_a_second_server_is_refused(path: Path) -> None:
    """Two servers never write one journal."""
    journal, _ = LeaseJournal.open(path, [KNOB], 0.0)
    with pytest.raises(JournalError, match="another server uses this lease journal"):
        LeaseJournal.open(path, [KNOB], 0.0)
    journal.close()
    assert reopened(path) == {}


def test_a_failed_write_leaves_nothing_behind(path: Path) -> None:
    """When the disk takes only half a line, that half is taken back and later lines are readable."""
    journal, _ = LeaseJournal.open(path, [KNOB], 0.0)
    journal.append((grant("a"),))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, hard))
    try:
        with pytest.raises(JournalError, match="cannot be written: File too large"):
            journal.append((grant("b"),))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.append((grant("c"),))
    journal.close()
    assert set(reopened(path)) == {"a", "c"}


def test_a_journal_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """The message names the file and what the system said."""
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match=r"leases\.jsonl: the lease journal cannot be opened"):
        LeaseJournal.open(tmp_path / "file" / "leases.jsonl", [KNOB], 0.0)


def test_only_its_owner_reads_the_journal(path: Path) -> None:
    """Owners and reasons are nobody else's business."""
    LeaseJournal.open(path, [KNOB], 0.0)[0].close()
    assert path.stat().st_mode & 0o077 == 0


def note(number: int = 1) -> Note:
    """What the audit may remember."""
    return Note(float(number), "bot", "granted", "run:1", "batch_limit", "a", 8, 1.0, 32, 8, "KV cache pressure")


def test_notes_stand_beside_their_changes_and_survive(path: Path) -> None:
    """One line has both, so neither is there without the other; a start keeps the notes and adds its own."""
    journal, _ = LeaseJournal.open(path, [KNOB], 0.0)
    journal.append((grant("a", expires_at=5.0),), (note(),))
    journal.close()
    assert len(path.read_bytes().splitlines()) == 2
    for _ in range(2):
        journal, _ = LeaseJournal.open(path, [KNOB], 9.0)
        journal.close()
        assert [(one.by, one.action) for one in journal.notes] == [("bot", "granted"), ("server", "expired")]


def test_an_older_releases_journal_is_read(path: Path) -> None:
    """Lines without notes, ends and strengths are leases that simply end."""
    path.parent.mkdir()
    request = {"knob": "batch_limit", "value": 8, "mode": "finish", "ttl_s": 60.0, "owner": "o", "reason": "r"}
    lease = {"lease_id": "a", "request": request | {"idempotency_key": "k"}, "created_at": 0.0, "expires_at": 60.0}
    lines = [
        {"event": "granted", "lease": lease | {"in_force_before": 32, "ended_at": None, "end_reason": None}},
        {"event": "renewed", "lease_id": "a", "expires_at": 90.0},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    known = reopened(path)["a"]
    assert (known.state, known.on_end, known.strength, known.expires_at) == (LeaseState.LIVE, "release", 1.0, 90.0)


def test_a_journal_does_not_grow_for_ever(path: Path) -> None:
    """Written anew it holds the last notes and one line a lease, and goes on from there."""
    journal, book = LeaseJournal.open(path, [KNOB], 0.0)
    event = grant("a")
    journal.append((event,), (note(),))
    book = book.apply(event)
    journal.compact(book, [note(number) for number in range(MAX_NUM_NOTES + 10)])
    journal.append((grant("b"),), (note(),))
    journal.close()
    assert set(reopened(path)) == {"a", "b"}
    assert len(path.read_bytes().splitlines()) == MAX_NUM_NOTES + 3


def test_a_journal_is_large_when_half_of_it_is_history(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What must be kept does not make it large, or it would be written anew for ever."""
    monkeypatch.setattr("serving_stub.frontdoor.journal.LARGE_BYTES", 1000)
    journal, book = LeaseJournal.open(path, [KNOB], 0.0)
    seen = []
    for number in range(20):
        event = grant(f"l-{number}")
        journal.append((event,))
        book = book.apply(event)
        if journal.is_large:
            journal.compact(book, [])
            seen.append(number)
            assert not journal.is_large
    journal.close()
    assert len(seen) == 3


def test_a_journal_that_cannot_be_written_anew_goes_on_as_it_is(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A full disk costs no lease."""
    journal, book = LeaseJournal.open(path, [KNOB], 0.0)
    journal.append((grant("a"),))
    (path.parent / "leases.jsonl.new").mkdir()
    journal.compact(book, [])
    journal.append((grant("b"),))
    journal.close()
    assert "cannot be written anew" in caplog.text
    (path.parent / "leases.jsonl.new").rmdir()
    assert set(reopened(path)) == {"a", "b"}
