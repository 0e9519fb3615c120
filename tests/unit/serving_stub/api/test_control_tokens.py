"""Control tokens: the file, who a token belongs to, and what each scope opens."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving_stub.api.app import build_app
from serving_stub.api.control_tokens import ControlTokens, Principal
from serving_stub.api.services import Services
from serving_stub.errors import FileError
from tests.support.serving_leases import ManualClock
from tests.support.serving_server import CONTROL_TOKEN

LEASES = "/control/v1/leases"
BATCH = {"knob": "batch_limit", "value": 8, "ttl_s": 60, "owner": "run:1", "reason": "r", "idempotency_key": "k"}
DRAIN = {"knob": "drain", "ttl_s": 60, "owner": "run:1", "reason": "r", "idempotency_key": "d"}
COMMAND = {"owner": "run:1", "reason": "r", "idempotency_key": "c"}
EXPIRES = "1970-01-01T00:20:00Z"
"""The fixture's clock begins at 1000 s."""


def row(name: str, token: str, scopes: str, expires: str = "") -> str:
    """One token of a file."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    more = f", expires: {expires}" if expires else ""
    return f"  - {{name: {name}, sha256: {digest}, scopes: [{scopes}]{more}}}\n"


def tokens(folder: Path, *rows: str, full: str | None = CONTROL_TOKEN) -> ControlTokens:
    """A file of those rows, read."""
    path = folder / "tokens.yaml"
    path.write_text("control_tokens:\n" + "".join(rows))
    return ControlTokens.load(path, full)


@pytest.fixture
async def client(services: Services, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A server with four tokens beside the full one."""
    known = tokens(
        tmp_path,
        row("reader", "r-token", "read"),
        row("bot", "b-token", "read, batch"),
        row("blind", "x-token", "batch"),
        row("guest", "g-token", "all", EXPIRES),
    )
    app = build_app(replace(services, control_tokens=known))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as http:
        yield http


def as_(token: str) -> dict[str, str]:
    """The header."""
    return {"Authorization": f"Bearer {token}"}


def test_a_token_is_known_by_its_name(tmp_path: Path) -> None:
    """The full one may do everything, the others what their row says, and nobody else is known."""
    known = tokens(tmp_path, row("bot", "b-token", "read, batch"))
    assert known.find("b-token", 0.0) == Principal("bot", frozenset({"read", "batch"}))
    full = known.find(CONTROL_TOKEN, 0.0)
    assert full is not None
    assert (full.name, full.may("failwhale")) == ("full", True)
    for other in ("", "b-token ", "B-token", hashlib.sha256(b"b-token").hexdigest()):
        assert known.find(other, 0.0) is None


def test_a_token_expires(tmp_path: Path) -> None:
    """At its time, not before."""
    known = tokens(tmp_path, row("guest", "g-token", "all", EXPIRES))
    assert known.find("g-token", 1199.9) is not None
    assert known.find("g-token", 1200.0) is None


def test_the_documented_file_can_be_read(tmp_path: Path) -> None:
    """The example of docs/serving.md; its hash is that of `foo`."""
    page = (Path(__file__).parents[4] / "docs/serving.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(control_tokens:.*?)```", page, re.DOTALL)
    (tmp_path / "tokens.yaml").write_text(example)
    known = ControlTokens.load(tmp_path / "tokens.yaml", None)
    assert known.find("foo", 0.0) == Principal("bot", frozenset({"read", "batch", "shed"}))


def test_a_server_without_tokens_has_none() -> None:
    """Only then is the control API off."""
    assert ControlTokens(None).is_empty
    assert not ControlTokens("x").is_empty


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("control_tokens: []\n", "1:17: "),
        (row("bot", "b", "read, everything"), "2:"),
        (row("bot", "b", "read") + row("bot", "c", "read"), "3:12: the name 'bot' is taken by an earlier token"),
        (row("a", "b", "read") + row("c", "b", "read"), "an earlier token has this hash"),
        (row("full", "b", "read"), "2:12: the name 'full' has a meaning of its own"),
        ("  - {name: bot, sha256: my-secret-token, scopes: [read]}\n", "sha256: 64 hexadecimal digits are needed"),
        ("  - {name: bot, scope: [read]}\n", "unknown key 'scope', did you mean 'scopes'?"),
        (row("bot", "b", "read", "tomorrow"), "expires: "),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    """Line and column, what was expected, and never what may be a token."""
    path = tmp_path / "tokens.yaml"
    path.write_text(text if text.startswith("control_tokens") else "control_tokens:\n" + text)
    with pytest.raises(FileError) as told:
        ControlTokens.load(path, None)
    assert problem in str(told.value)
    assert "tokens.yaml:" in str(told.value)
    assert "my-secret-token" not in str(told.value)


@pytest.mark.parametrize(
    ("token", "method", "path", "body", "needed"),
    [
        ("reader", "POST", LEASES, BATCH, "batch"),
        ("b", "POST", LEASES, DRAIN, "drain"),
        ("b", "POST", "/control/v1/restart", COMMAND, "restart"),
        ("b", "POST", "/control/v1/readmit", COMMAND, "drain"),
        ("x", "GET", LEASES, None, "read"),
        ("x", "GET", "/control/v1/knobs/batch_limit", None, "read"),
        ("x", "GET", "/control/v1/audit", None, "read"),
        ("x", "GET", "/control", None, "read"),
    ],
)
async def test_a_token_opens_what_its_scopes_say(
    client: httpx.AsyncClient, token: str, method: str, path: str, body: dict[str, Any] | None, needed: str
) -> None:
    """The refusal names the scope that is needed, and nothing happens."""
    answer = await client.request(method, path, json=body, headers=as_(f"{token[0]}-token"))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (403, "insufficient_scope", "permission_error")
    assert f"scope '{needed}'" in error["message"]
    assert (await client.get(LEASES, headers=as_(CONTROL_TOKEN))).json() == {"leases": []}


async def test_a_token_does_what_its_scopes_say(client: httpx.AsyncClient) -> None:
    """Grant, renew and release need no more than the knob's scope."""
    granted = await client.post(LEASES, json=BATCH, headers=as_("x-token"))
    assert granted.status_code == 201
    lease = f"{LEASES}/{granted.json()['lease_id']}"
    assert (await client.post(f"{lease}/renew", json={"ttl_s": 60}, headers=as_("b-token"))).status_code == 200
    assert (await client.delete(lease, headers=as_("r-token"))).status_code == 403
    assert (await client.delete(lease, headers=as_("x-token"))).status_code == 200


async def test_a_token_that_has_expired_is_none(client: httpx.AsyncClient, clock: ManualClock) -> None:
    """The same answer as for a wrong one."""
    assert (await client.get("/control/v1/knobs", headers=as_("g-token"))).status_code == 200
    clock.time = 1200.0
    answer = await client.get("/control/v1/knobs", headers=as_("g-token"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_token")


async def test_refusals_are_in_the_audit_without_tokens(client: httpx.AsyncClient) -> None:
    """By the token's name; a token that nobody knows is no principal and leaves no note."""
    await client.post(LEASES, json=BATCH, headers=as_("r-token"))
    await client.post(LEASES, json=BATCH, headers=as_("nobody"))
    answer = await client.get("/control/v1/audit", headers=as_("r-token"))
    (note,) = answer.json()["notes"]
    assert (note["by"], note["action"], note["owner"], note["knob"]) == ("reader", "refused", "run:1", "batch_limit")
    assert note["detail"] == "POST /control/v1/leases: insufficient_scope"
    assert "-token" not in answer.text
