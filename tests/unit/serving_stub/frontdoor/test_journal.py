"""The lease journal: what survives a restart, a torn line, a full disk and a second server."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_stub.errors import JournalError
from serving_stub.frontdoor.journal import LeaseJournal, decode, encode
from serving_stub.frontdoor.lease import Ended, EndReason, Granted, Lease, LeaseEvent, Renewed
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
