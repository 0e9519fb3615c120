"""What must not leave to Slack: unseen characters, secrets, callers' addresses, and formatting of others."""

from __future__ import annotations

import pytest
from hypothesis import given

from opsbot.slack.text import escape, literal, plain
from opsbot.slack.unseen import fit_to_leave
from tests.support.hostile_text import PING, UNSEEN, anything


@pytest.mark.parametrize(
    ("text", "left"),
    [
        pytest.param("restart \u202egnp.exe", "restart gnp.exe", id="override"),
        pytest.param("a\u2066b\u2069c\u200ed", "abcd", id="isolates and marks"),
        pytest.param("<!chan\u200bnel>", "<!channel>", id="zero width"),
        pytest.param("עומס על eu-1", "עומס על eu-1", id="right to left stays"),
        pytest.param("👩‍🚒 می‌خواهم", "👩‍🚒 می‌خواهم", id="joiners that scripts need stay"),
        pytest.param("z" + "\u0301" * 50, "z\u0301\u0301", id="piled marks"),
        pytest.param("tag\U000e0041\U000e007f\x00\x1b[31m", "tag[31m", id="tags and controls"),
        pytest.param("half \ud83d", "half ", id="half a character"),
    ],
)
def test_what_nobody_sees_is_taken_out(text: str, left: str) -> None:
    """It would change what people read, or hide a mention from a filter; text that needs such characters keeps them."""
    assert fit_to_leave(text) == left


@pytest.mark.parametrize(
    "secret",
    [
        "xoxb-1234-abcd", "xapp-1-A1-2-3", "sk-proj-abcdefghijkl", "AKIAABCDEFGHIJKLMNOP", "ghp_abcdefghij0123456789",
        "hf_abcdefghijklmnop", "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0", "Bearer abcdef123456",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ],
)  # fmt: skip
def test_what_looks_like_a_credential_is_taken_out(secret: str) -> None:
    """Whoever wrote it, and wherever it stands."""
    left = fit_to_leave(f"the call with {secret} failed")
    assert secret.split()[-1] not in left
    assert "[redacted]" in left
    assert left.startswith("the call with ")
    assert left.endswith(" failed")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("10.2.0.7:8000 of 192.168.1.4 and 127.0.0.1", "10.2.0.7:8000 of 192.168.1.4 and 127.0.0.1"),
        ("many calls from 203.0.113.9, 8.8.8.8", "many calls from [address], [address]"),
        ("2001:db8::1 and fe80::1 and ::1", "[address] and fe80::1 and ::1"),
        ("vLLM 0.11.2.1 at 12:30:05, load 1.2.3", "vLLM 0.11.2.1 at 12:30:05, load 1.2.3"),
        ("build 4.300.1.1", "build 4.300.1.1"),
    ],
)
def test_addresses_of_callers_are_taken_out(text: str, left: str) -> None:
    """One's own machines are named by private addresses; those are what an engineer needs."""
    assert fit_to_leave(text) == left


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("*Approved* _by_ ~nobody~ `x`", "∗Approved∗ ˍbyˍ ∼nobody∼ 'x'"),
        ("vllm:kv_cache_usage_perc 2 * 3 a_b", "vllm:kv_cache_usage_perc 2 * 3 a_b"),
        ("a ``` b", "a ''' b"),
    ],
)
def test_text_from_outside_formats_nothing(text: str, shown: str) -> None:
    """A label cannot look like our own words, nor swallow what follows; names of metrics stay as they are."""
    assert literal(text) == shown


def test_our_own_sentences_keep_their_code() -> None:
    """A block of code never begins."""
    assert escape("`unmerge INC-1` takes it back ```") == "`unmerge INC-1` takes it back '''"


@given(anything)
def test_nothing_from_outside_pings_links_or_hides(text: str) -> None:
    """Whatever it is."""
    for shown in (escape(text), literal(text)):
        assert not PING.search(shown)
        assert not UNSEEN.search(shown)
        assert "```" not in shown
        shown.encode()
    one_line = plain(text, 150)
    assert len(one_line) <= 150
    assert "\n" not in one_line
    assert not UNSEEN.search(one_line)
