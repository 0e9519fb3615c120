"""The page of what is in force: what it shows, to whom, and that it can do no harm."""

from __future__ import annotations

import re

import httpx
import pytest

from serving_stub.api.control_page import span
from tests.support.serving_leases import ManualClock
from tests.support.serving_server import CONTROL, CONTROL_TOKEN

LEASES = "/control/v1/leases"
BODY = {"knob": "batch_limit", "value": 8, "ttl_s": 3600, "owner": "run:1", "idempotency_key": "k"}
BASIC = httpx.BasicAuth("anybody", CONTROL_TOKEN)


def words(page: str) -> str:
    """The page's text without its tags."""
    body = page.split("<body>")[1]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


@pytest.mark.parametrize("auth", [None, ("anybody", "wrong"), ("anybody", ""), (CONTROL_TOKEN, "")])
async def test_the_page_asks_for_the_token(client: httpx.AsyncClient, auth: tuple[str, str] | None) -> None:
    """In the way that makes a browser ask its user; a token in the place of the name does not count."""
    answer = await client.get("/control", auth=auth)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="control", charset="UTF-8"'


@pytest.mark.parametrize("header", ["Basic", "Basic %%%", "Basic /w==", "Digest x", "Bearer", "Bearer \xff"])
async def test_a_strange_header_is_no_token(client: httpx.AsyncClient, header: str) -> None:
    """It is refused, not failed on."""
    answer = await client.get("/control", headers={b"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401


async def test_the_password_opens_nothing_that_changes_something(client: httpx.AsyncClient) -> None:
    """A browser sends it along from any page."""
    for method, path in (("POST", LEASES), ("GET", "/control/v1/knobs"), ("POST", "/control/v1/restart")):
        assert (await client.request(method, path, json=BODY, auth=BASIC)).status_code == 401


async def test_a_quiet_server_says_that_all_is_as_configured(client: httpx.AsyncClient) -> None:
    """Both ways to show the token."""
    for answer in (await client.get("/control", auth=BASIC), await client.get("/control", headers=CONTROL)):
        assert answer.status_code == 200
        assert "Nothing: every setting is as configured." in words(answer.text)


async def test_it_shows_what_is_in_force_and_what_changed(client: httpx.AsyncClient, clock: ManualClock) -> None:
    """For how long, by whom, why, and what happens then."""
    await client.post(LEASES, json=BODY | {"reason": "KV cache pressure"}, headers=CONTROL)
    drain = {"knob": "drain", "ttl_s": 60, "owner": "run:2", "reason": "maintenance", "idempotency_key": "d"}
    await client.post(LEASES, json=drain, headers=CONTROL)
    clock.time += 90.0
    text = words((await client.get("/control", auth=BASIC)).text)
    assert "batch_limit 8 in force, 32 without leases 58 min 30 s left 8 why KV cache pressure who run:1" in text
    assert "at its end gone at once" in text
    assert "drain granted: 0 → 1 1 min 30 s ago , run:2 (token full): maintenance" in text
    assert "As configured: failwhale, shed, fallback_prompt, throttle, block, fence." in text


async def test_what_was_typed_stays_text(client: httpx.AsyncClient) -> None:
    """No reason or owner becomes a part of the page."""
    body = BODY | {"reason": "<script>alert(1)</script>", "owner": '"><img src=x>'}
    await client.post(LEASES, json=body, headers=CONTROL)
    page = (await client.get("/control", auth=BASIC)).text
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


async def test_the_page_stands_alone(client: httpx.AsyncClient) -> None:
    """Small, kept by nobody, framed by nobody, and it asks for nothing from elsewhere."""
    answer = await client.get("/control", auth=BASIC)
    assert len(answer.content) < 30_000
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert not re.findall(r"""(?:src|href)=["'][^"']""", answer.text)


async def test_a_knob_with_many_leases_shows_the_newest(client: httpx.AsyncClient) -> None:
    """The page stays a page."""
    for number in range(25):
        await client.post(LEASES, json=BODY | {"reason": "r", "idempotency_key": f"k-{number}"}, headers=CONTROL)
    text = words((await client.get("/control", auth=BASIC)).text)
    assert text.count("at its end") == 20
    assert "and 5 older" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (7325, "2 h 2 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_times_are_easy_to_read(seconds: float, text: str) -> None:
    """The two largest units."""
    assert span(seconds) == text
