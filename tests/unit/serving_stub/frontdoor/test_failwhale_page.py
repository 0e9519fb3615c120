"""The failwhale's page: for browsers only, safe with any message, small, and right about the time."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from serving_stub.frontdoor.failwhale import MESSAGE, Turned
from serving_stub.frontdoor.failwhale_page import FailwhalePage, about, wants_page

NOW = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC
CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def page(message: str = MESSAGE, wait_s: float = 60, back_at: float | None = None) -> str:
    """The page's text."""
    return FailwhalePage().answer(Turned(message, wait_s, back_at), NOW).body.decode()


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        (CHROMIUM, True),
        ("text/html", True),
        ("TEXT/HTML, application/json;q=0.9", True),
        ("text/*;q=0.5, application/json;q=0.4", True),
        ("text/html;charset=utf-8", True),
        ('text/html;charset="UTF-8";q=0.3, */*;q=0.1', True),
        ("application/json;q=0, */*", True),
        (None, False),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/html, application/json", False),
        ("text/html;q=0.8, application/json", False),
        ("text/html;q=0", False),
        ("text/html;q=0, */*", False),
        ("text/html;q=2", False),
        ("text/html;q=", False),
        ("text/html;level=1", False),
        ('application/json;note="a, text/html;q=1", application/json', False),
        ("text/event-stream", False),
        (",;q=;,=,", False),
        ('"' * 1_500, False),
        ("text/html," * 1_000, False),
    ],
)
def test_who_gets_the_page(accept: str | None, is_page: bool) -> None:
    """Whoever rates HTML above JSON; the most specific range decides, and rubbish decides nothing."""
    assert wants_page(accept) is is_page


def test_the_message_is_text() -> None:
    """Markup in a lease's message is shown, not run."""
    text = page('<script>alert(1)</script> & "more" {{ 7 * 7 }}')
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#34;more&#34; {{ 7 * 7 }}" in text
    assert "<script>alert" not in text


def test_a_known_return_is_said_in_both_ways() -> None:
    """Absolute in UTC and as a wait."""
    text = page(back_at=NOW + 24 * 60)
    assert '<time datetime="2026-09-21T14:37:20Z">14:37 UTC on 21 September 2026</time>' in text
    assert "in about 24 minutes" in text


def test_without_a_known_return_it_promises_nothing() -> None:
    """It says that the time is not known, and when this was written."""
    text = page(wait_s=300)
    assert "We do not know yet when we will be back. Written at 14:13 UTC on 21 September 2026." in text
    assert "try again in about 5 minutes" in text
    assert "<script" not in text


def test_a_return_that_has_passed_is_admitted() -> None:
    """No countdown to a time that is over."""
    text = page(wait_s=300, back_at=NOW - 60)
    assert "We had hoped to be back by" in text
    assert "Please try again in about 5 minutes." in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "about a minute"),
        (60, "about a minute"),
        (61, "about 2 minutes"),
        (3600, "about 60 minutes"),
        (5400, "about 2 hours"),
        (86_400, "about 24 hours"),
        (200_000, "about 3 days"),
    ],
)
def test_waits_are_rounded_up(seconds: float, words: str) -> None:
    """Nobody is sent back too early."""
    assert about(seconds) == words


def test_it_stands_alone_and_is_small() -> None:
    """Below 30 kB with the longest message, and no address in it is fetched."""
    text = page("€" * 500, back_at=NOW + 60)
    assert len(text.encode()) < 30_000
    assert re.findall(r'(?:src|href)="([^"]*)"', text) == [""]
    assert set(re.findall(r"https?://[^\"]*", text)) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in text
    assert "url(" not in text


def test_it_can_be_read_by_a_screen_reader() -> None:
    """Language, title, one first heading, and the drawing in words."""
    text = page(back_at=NOW + 60)
    assert '<html lang="en">' in text
    assert len(re.findall("<h1", text)) == 1
    assert "<title>We are full for the moment</title>" in text
    assert '<svg viewBox="0 0 480 330" role="img" aria-labelledby="whale-title whale-text"' in text
    assert "prefers-reduced-motion" in text
    assert "prefers-color-scheme: dark" in text


def test_its_headers_forbid_everything_else() -> None:
    """503, not to be stored, and the policy names exactly the style and script that are on the page."""
    answer = FailwhalePage().answer(Turned(MESSAGE, 61.2, NOW + 60), NOW)
    headers = dict(answer.headers)
    text = answer.body.decode()
    style, script = (re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[0] for tag in ("style", "script"))
    assert answer.status == 503
    assert (headers["retry-after"], headers["cache-control"]) == ("62", "no-store")
    assert headers["content-security-policy"] == (
        f"default-src 'none'; style-src '{digest(style)}'; script-src '{digest(script)}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert " style=" not in text


def digest(text: str) -> str:
    """As a content security policy writes it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
