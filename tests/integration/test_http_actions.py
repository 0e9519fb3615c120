"""`http.get` and `http.request` against a server that does what a test says: hangs, breaks, lies, redirects, floods."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from opsbot.action.http import GetArguments, HttpGet, HttpRequest, RequestArguments
from opsbot.action.http_call import MAX_ANSWER_BYTES
from opsbot.action.secret import SecretStore
from opsbot.action_settings import HttpSection, SecretsSection
from opsbot.errors import ActionError
from tests.support.certificate import make_certificate
from tests.support.lease_actions import context
from tests.support.raw_upstream import Peer, RawUpstream, raw_upstream

pytestmark = pytest.mark.integration

SECRET = "s3cr3t-of-tests"


@pytest.fixture
async def server() -> AsyncIterator[RawUpstream]:
    """The other side."""
    async with raw_upstream() as upstream:
        yield upstream


def secrets(*files: Path) -> SecretStore:
    """One variable that is listed and set, and one that is not."""
    section = SecretsSection(env=("TOKEN", "EMPTY"), files=files)
    return SecretStore(section, {"TOKEN": SECRET, "OTHER": "other"})


def allowing(server: RawUpstream, *more: str) -> HttpSection:
    """That server alone."""
    return HttpSection(allow=(server.url.removeprefix("http://"), *more))


def get(server: RawUpstream, **arguments: Any) -> tuple[HttpGet, GetArguments]:
    """A reading call of it."""
    made = GetArguments.model_validate({"url": f"{server.url}/state?key=abc", **arguments})
    return HttpGet(allowing(server), secrets()), made


def post(server: RawUpstream, **arguments: Any) -> tuple[HttpRequest, RequestArguments]:
    """A changing call of it."""
    made = RequestArguments.model_validate({"url": f"{server.url}/do", **arguments})
    return HttpRequest(allowing(server), secrets()), made


def answering(status: str, content: bytes = b"{}", kind: str = "application/json") -> Any:
    """A handler that answers so."""

    async def handler(peer: Peer) -> None:
        await peer.whole(status, kind, content)

    return handler


async def test_an_answer_is_read(server: RawUpstream) -> None:
    """Status, JSON and how long it took; the query stays out of the text."""
    server.handler = answering("200 OK", b'{"state": "green"}')
    action, arguments = get(server)
    outcome = await action.act(arguments, context())
    assert outcome.text == f"GET {server.url}/state?… was answered 200"
    assert outcome.outputs["status"] == 200
    assert outcome.outputs["body"] == {"state": "green"}
    assert 0 <= outcome.outputs["duration_s"] < 10
    assert action.outputs.model_validate(outcome.outputs)


async def test_a_secret_travels_and_is_seen_nowhere_else(server: RawUpstream, tmp_path: Path) -> None:
    """In the header alone: not in what comes back, in the text, or in any error."""
    file = tmp_path / "key"
    file.write_text("of-a-file\n")

    async def echo(peer: Peer) -> None:
        heard = peer.head.decode()
        await peer.whole("200 OK", "application/json", json.dumps({heard: [heard]}).encode())

    server.handler = echo
    headers = {
        "authorization": {"secret_env": "TOKEN", "prefix": "Bearer "},
        "x-key": {"secret_file": str(file)},
        "x-plain": "plain",
    }
    action = HttpRequest(allowing(server), secrets(file))
    arguments = RequestArguments.model_validate({"url": f"{server.url}/do", "headers": headers, "json": {"a": 1}})
    outcome = await action.act(arguments, context())
    sent = server.requests[0].head.decode().lower()
    assert f"authorization: bearer {SECRET}" in sent
    assert "x-key: of-a-file\r\n" in sent
    assert server.requests[0].body == b'{"a":1}'
    assert "x-plain: plain" in str(outcome.outputs)
    assert SECRET not in str(outcome) + repr(action) + repr(arguments)
    assert "of-a-file" not in str(outcome)
    server.handler = answering("403 No", json.dumps({"error": SECRET}).encode())
    with pytest.raises(ActionError) as raised:
        await action.act(arguments, context())
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"a": {"secret_env": "OTHER"}}, "the secret OTHER is not listed under `actions.secrets.env`"),
        ({"a": {"secret_file": "/etc/shadow"}}, "the file /etc/shadow is not listed under `actions.secrets.files`"),
        ({"a": {"secret_env": "EMPTY"}}, "the environment variable EMPTY is not set"),
    ],
)
async def test_a_secret_that_may_not_be_used_is_not_read(
    server: RawUpstream, headers: dict[str, Any], says: str
) -> None:
    """Only what opsbot.yaml lists; nothing is sent."""
    action, arguments = post(server, headers=headers)
    with pytest.raises(ActionError, match=says):
        await action.act(arguments, context())
    assert server.requests == []


@pytest.mark.parametrize(
    ("status", "is_retryable", "is_unknown"),
    [("400 Bad", False, False), ("404 No", False, False), ("429 Slow", True, False), ("500 Oh", True, True)],
)
async def test_refusals_are_final_and_breakdowns_are_not(
    server: RawUpstream, status: str, is_retryable: bool, is_unknown: bool
) -> None:
    """A 500 of a change leaves open whether it happened; reading never does."""
    server.handler = answering(status)
    for action, arguments, unknown in ((*post(server), is_unknown), (*get(server), False)):
        with pytest.raises(ActionError, match=f"was answered {status[:3]}") as raised:
            await action.act(arguments, context())  # type: ignore[arg-type]
        assert (raised.value.retryable, raised.value.outcome_unknown) == (is_retryable, unknown)


async def test_expected_statuses_are_success(server: RawUpstream) -> None:
    """Where 409 means that it was done before."""
    server.handler = answering("409 Done")
    action, arguments = post(server, expect=[200, 409])
    assert (await action.act(arguments, context())).outputs["status"] == 409
    server.handler = answering("201 Made")
    with pytest.raises(ActionError, match="was answered 201"):
        await action.act(arguments, context())


@pytest.mark.parametrize(
    "content", [b"<html>", b"\xff\xfe", b"", b"[" * 20_000, b'{"a": "' + b"x" * 20_000 + b'"}'], ids=len
)
async def test_rubbish_is_no_json(server: RawUpstream, content: bytes) -> None:
    """The status counts; what cannot be read, or is large, is null."""
    server.handler = answering("200 OK", content)
    action, arguments = get(server)
    assert (await action.act(arguments, context())).outputs["body"] is None


async def test_a_flood_is_cut(server: RawUpstream) -> None:
    """A body without end costs a bounded amount, and the connection is closed."""
    sent = 0

    async def flood(peer: Peer) -> None:
        nonlocal sent
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n")
        while True:
            await peer.send(b"x" * 65536)
            sent += 65536
            await asyncio.sleep(0)

    server.handler = flood
    action, arguments = get(server, timeout="5s")
    assert (await action.act(arguments, context())).outputs == {
        "status": 200,
        "body": None,
        "duration_s": pytest.approx(0, abs=5),
    }
    async with asyncio.timeout(5):
        while server.num_open:  # noqa: ASYNC110 - the other side is a server
            await asyncio.sleep(0.01)
    assert sent < 200 * MAX_ANSWER_BYTES


@pytest.mark.parametrize("where", ["https://elsewhere.example/", "http://169.254.169.254/latest"])
async def test_a_redirect_is_not_followed(server: RawUpstream, where: str) -> None:
    """Wherever it leads."""

    async def redirect(peer: Peer) -> None:
        await peer.whole("302 Found", "text/plain", b"", f"location: {where}")

    server.handler = redirect
    action, arguments = get(server)
    with pytest.raises(ActionError, match="was answered 302, a redirect; redirects are not followed"):
        await action.act(arguments, context())
    assert len(server.requests) == 1


@pytest.mark.parametrize("is_trickle", [False, True], ids=["nothing", "a byte now and then"])
async def test_a_server_that_hangs_is_given_up(server: RawUpstream, is_trickle: bool) -> None:
    """The timeout is for the whole answer, so a trickle does not stretch it."""

    async def hang(peer: Peer) -> None:
        if is_trickle:
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            while True:
                await peer.send(b"x")
                await asyncio.sleep(0.05)
        await peer.until_gone()

    server.handler = hang
    for action, arguments, is_unknown in (
        (*post(server, timeout="300ms"), True),
        (*get(server, timeout="300ms"), False),
    ):
        began = time.monotonic()
        with pytest.raises(ActionError, match="no answer came") as raised:
            await action.act(arguments, context())  # type: ignore[arg-type]
        assert time.monotonic() - began < 3
        assert (raised.value.retryable, raised.value.outcome_unknown) == (True, is_unknown)


async def test_a_lost_answer_needs_a_person_or_a_key(server: RawUpstream) -> None:
    """The call was made; whether it may be made again depends on the other side's word."""

    async def lose(peer: Peer) -> None:
        peer.reset()

    server.handler = lose
    once = context()
    action, arguments = post(server)
    with pytest.raises(ActionError) as raised:
        await action.act(arguments, once)
    assert raised.value.outcome_unknown
    with pytest.raises(ActionError, match="it is unknown whether it happened; a person must look") as raised:
        await action.find(arguments, once.idempotency_key)
    assert raised.value.outcome_unknown

    action, arguments = post(server, idempotency_header="Idempotency-Key")
    with pytest.raises(ActionError):
        await action.act(arguments, once)
    assert await action.find(arguments, once.idempotency_key) is None
    server.handler = answering("200 OK")
    await action.act(arguments, once)
    keys = [line for peer in server.requests for line in peer.head.decode().split("\r\n") if "dempotency" in line]
    assert keys == [f"Idempotency-Key: {once.idempotency_key}"] * 2


async def test_a_server_that_is_away_was_not_told(server: RawUpstream) -> None:
    """Nothing can have happened, so it may be tried again."""
    arguments = RequestArguments(url="http://127.0.0.1:9/do")
    with pytest.raises(ActionError, match="it cannot be reached") as raised:
        await HttpRequest(HttpSection(allow=("127.0.0.1:9",)), secrets()).act(arguments, context())
    assert (raised.value.retryable, raised.value.outcome_unknown) == (True, False)


async def test_a_host_that_is_not_listed_is_not_asked(server: RawUpstream) -> None:
    """Neither when it acts, nor when people are asked to approve."""
    action = HttpRequest(HttpSection(), secrets())
    arguments = RequestArguments(url=f"{server.url}/do")
    for call in (action.prior(arguments), action.act(arguments, context())):
        with pytest.raises(ActionError, match="is not listed under"):
            await call
    assert server.requests == []


async def test_a_name_is_asked_at_the_address_that_was_looked_at(server: RawUpstream) -> None:
    """`localhost` by its name in the header, and the port that is listed alone."""
    server.handler = answering("200 OK")
    port = server.url.rsplit(":", 1)[1]
    action = HttpGet(HttpSection(allow=(f"localhost:{port}",)), secrets())
    await action.act(GetArguments(url=f"http://localhost:{port}/x"), context())
    assert f"Host: localhost:{port}".lower() in server.requests[0].head.decode().lower()


async def test_a_timeout_is_bounded(server: RawUpstream) -> None:
    """By what opsbot.yaml allows."""
    action, arguments = get(server, timeout="2m")
    with pytest.raises(ActionError, match="timeout is more than 1m"):
        await action.prior(arguments)


async def test_https_checks_who_answers(tmp_path: Path) -> None:
    """A certificate that nobody vouches for is refused, one of the named authority is taken."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from tests.support.watching import served

    app = Starlette(routes=[Route("/", lambda request: JSONResponse({"ok": True}))])
    certificate = make_certificate(tmp_path)
    async with served(app, certificate=certificate) as url:
        allow = (url.removeprefix("https://"),)
        with pytest.raises(ActionError, match="cannot be reached"):
            await HttpGet(HttpSection(allow=allow), secrets()).act(GetArguments(url=url), context())
        section = HttpSection(allow=allow, ca_file=certificate.ca_file)
        outcome = await HttpGet(section, secrets()).act(GetArguments(url=url), context())
        assert outcome.outputs["body"] == {"ok": True}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"headers": {"Host": "other"}}, "the header Host is set by the call itself"),
        ({"headers": {"a": "x\r\nb: y"}}, "should match pattern"),
        ({"headers": {"a b": "x"}}, "should match pattern"),
        ({"headers": {"a": {"prefix": "Bearer "}}}, "one of secret_env and secret_file is needed"),
        ({"json": {}, "body": "x"}, "only one of json and body can be sent"),
        ({"method": "CONNECT"}, "Input should be 'POST'"),
        ({"expect": [99]}, "greater than or equal to 100"),
    ],
)
def test_bad_arguments_are_said_at_load(arguments: dict[str, Any], says: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match=says):
        RequestArguments.model_validate({"url": "https://example.com/", **arguments})
