"""What the account service tells, and what the door makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serving_stub.errors import SettingError
from serving_stub.frontdoor.account_feed import Account, AccountFeed, Place
from serving_stub.frontdoor.caller import NetworkKind
from serving_stub.frontdoor.event import Signup, SignupEvent

NOW = 1790000000.0


def told(account: str, **more: Any) -> dict[str, Any]:
    """One sign-up."""
    return {"kind": "signup", "ts": NOW, "org": "acme", "account": account, **more}


def test_a_sign_up_is_known_and_passed_on() -> None:
    """Its address is looked up and goes no further."""
    events: list[SignupEvent] = []
    feed = AccountFeed(events.append, lambda address: Place("203.0.113.0/24", "JP", 64500, NetworkKind.HOSTING))
    facts = {"payment_fp": "card-1", "device_fp": "dev-1", "mail_pattern": "word-digits"}
    answer = feed.tell([told("a-1", **facts, address="203.0.113.9", client_fp="web-3")])
    assert (answer.accepted, answer.rejected) == (1, [])
    assert feed.get("acme", "a-1") == Account(NOW, Signup("card-1", "dev-1", "word-digits"))
    (event,) = events
    assert event == SignupEvent(
        event_id=event.event_id,
        ts=NOW,
        org="acme",
        account="a-1",
        signup=Signup("card-1", "dev-1", "word-digits"),
        ip_prefix="203.0.113.0/24",
        country="JP",
        asn=64500,
        asn_type=NetworkKind.HOSTING,
        client_fp="web-3",
    )


def test_an_accounts_age() -> None:
    """Counts from the sign-up; a clock that differs makes nobody younger than new."""
    account = Account(NOW, Signup())
    assert account.age_s(NOW + 86400) == 86400
    assert account.age_s(NOW - 5) == 0


def test_a_stranger_is_not_known() -> None:
    """Neither is nobody, nor the same account name of another organisation."""
    feed = AccountFeed(lambda event: None)
    feed.tell([told("a-1")])
    assert feed.get("acme", None) is feed.get("acme", "a-2") is feed.get("other", "a-1") is None


def test_one_bad_entry_harms_no_other() -> None:
    """It is named by place and field, and what was sent is not repeated."""
    feed = AccountFeed(lambda event: None)
    answer = feed.tell([told("a-1"), told("a-2", mail="someone@example.com"), 5, told("a-3", ts=-1)])
    assert answer.accepted == 1
    assert [problem.split(":")[0] for problem in answer.rejected] == ["events[1].mail", "events[2].", "events[3].ts"]
    assert "someone" not in str(answer.rejected)


def test_a_batch_may_be_sent_again() -> None:
    """The log sees the same event ids, so its sink keeps them once."""
    ids: list[str] = []
    feed = AccountFeed(lambda event: ids.append(event.event_id))
    for _ in range(2):
        feed.tell([told("a-1"), told("a-2")])
    assert len(feed) == 2
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2


def test_the_table_is_bounded() -> None:
    """Those told longest ago are forgotten."""
    feed = AccountFeed(lambda event: None, max_accounts=10)
    feed.tell([told(f"a-{number}") for number in range(100)])
    assert len(feed) == 10
    assert feed.get("acme", "a-89") is None
    assert feed.get("acme", "a-90") is not None


def test_a_restart_forgets_nobody(tmp_path: Path) -> None:
    """The file is small again after a start, and holds no address."""
    path = tmp_path / "accounts.jsonl"
    feed = AccountFeed(lambda event: None, path=path)
    for _ in range(5):
        feed.tell([told("a-1", payment_fp="card-1", address="203.0.113.9")])
    assert b"203.0.113.9" not in path.read_bytes()
    again = AccountFeed(lambda event: None, path=path)
    assert again.get("acme", "a-1") == Account(NOW, Signup("card-1"))
    assert len(path.read_text().splitlines()) == 1


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    """Its batch was never answered."""
    path = tmp_path / "accounts.jsonl"
    AccountFeed(lambda event: None, path=path).tell([told("a-1")])
    path.write_bytes(path.read_bytes() + b'{"kind":"signup","ts":17900')
    assert len(AccountFeed(lambda event: None, path=path)) == 1


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    """With its line."""
    path = tmp_path / "accounts.jsonl"
    path.write_text("rubbish\n")
    with pytest.raises(SettingError, match=r"accounts\.jsonl:1: expected a sign-up"):
        AccountFeed(lambda event: None, path=path)


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Nothing of the batch counts then: it is to be sent again."""
    path = tmp_path / "accounts.jsonl"
    feed = AccountFeed(lambda event: None, path=path)
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        feed.tell([told("a-1")])
    assert len(feed) == 0
