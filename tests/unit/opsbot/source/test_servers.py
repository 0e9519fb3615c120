"""What a Prometheus server may answer, and what is made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from opsbot.errors import ConfigError, SourceError
from opsbot.source import servers
from opsbot.source.servers import PrometheusServer, QueryRefused, ServerAddress

ADDRESS = ServerAddress("http://p:9090/", "eu", token="s3cret")
ONE = {"metric": {"__name__": "m", "a": "b"}, "value": [1.5, "+Inf"]}


def vector(*elements: object) -> dict[str, object]:
    """A successful answer."""
    return {"status": "success", "data": {"resultType": "vector", "result": elements}}


async def ask(
    body: object, status: int = 200, media_type: str = "application/json"
) -> list[tuple[Mapping[str, str], float]]:
    """What is made of a server's answer."""
    seen: list[Any] = []

    async def query(request: Request) -> Response:
        form = (await request.body()).decode()
        seen.append((form, request.headers.get("authorization")))
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Response(content, status, media_type=media_type)

    app = Starlette(routes=[Route("/api/v1/query", query, methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        found = await PrometheusServer(ADDRESS, http).ask("m > 5")
    assert seen == [("query=m+%3E+5", "Bearer s3cret")]
    return [(dict(labels), value) for labels, value in found]


async def test_a_vector_is_read() -> None:
    """Infinities too; a scalar has no elements."""
    assert await ask(vector(ONE)) == [({"__name__": "m", "a": "b"}, float("inf"))]
    assert await ask({"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}) == []


@pytest.mark.parametrize("kind", ["bad_data", "execution", "timeout"])
async def test_a_refusal_is_the_querys(kind: str) -> None:
    """In the server's words."""
    answer = {"status": "error", "errorType": kind, "error": 'unknown function with name "x"'}
    with pytest.raises(QueryRefused, match=rf'eu refuses it \({kind}\): unknown function with name "x"'):
        await ask(answer, 400)


@pytest.mark.parametrize(
    ("body", "status", "media_type", "message"),
    [
        (b"<html>login</html>", 200, "text/html", "200 and a body of text/html that is not Prometheus's; is http://p:9090"),
        (b'{"status": "success", "data": {"res', 200, "application/json", "not Prometheus's"),
        (b"\xff\xfe\x00", 200, "application/octet-stream", "not Prometheus's"),
        (b"[" * 100_000, 200, "application/json", "not Prometheus's"),
        ([], 200, "application/json", "not Prometheus's"),
        (b"404 page not found", 404, "text/plain", "404 and a body of text/plain"),
        (b"", 502, "text/plain", "502 and a body"),
        ({"status": "error", "errorType": "internal", "error": "x"}, 500, "application/json", "500, internal: x"),
        ({"status": "success", "data": {"resultType": "matrix", "result": []}}, 200, "application/json", "no vector"),
        ({"status": "success"}, 200, "application/json", "no vector"),
        (vector({"metric": {"a": 1}, "value": [1, "2"]}), 200, "application/json", "no vector"),
        (vector({"metric": {}, "value": [1, "two"]}), 200, "application/json", "no vector"),
        (vector({"metric": {}}), 200, "application/json", "no vector"),
        ({**vector(ONE), "warnings": ["store x: gone"]}, 200, "application/json", "only in part: store x: gone"),
        (b"no", 401, "text/plain", "401 in answer to a query: its token is not accepted"),
    ],
)  # fmt: skip
async def test_rubbish_is_no_answer(body: object, status: int, media_type: str, message: str) -> None:
    """Never taken for an empty vector, which would end alerts."""
    with pytest.raises(SourceError) as caught:
        await ask(body, status, media_type)
    assert not isinstance(caught.value, QueryRefused)
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


async def test_remarks_on_a_query_are_no_missing_data() -> None:
    """Prometheus 3 makes some in the place where others tell of parts that are missing."""
    assert len(await ask({**vector(ONE), "warnings": ["PromQL warning: odd quantile"]})) == 1


async def test_an_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bytes and in elements; the limits are lowered here."""
    monkeypatch.setattr(servers, "MAX_ELEMENTS", 1)
    with pytest.raises(QueryRefused, match="the answer has 2 elements; 1 are read"):
        await ask(vector(ONE, ONE))
    monkeypatch.setattr(servers, "MAX_BODY_BYTES", 100)
    with pytest.raises(SourceError, match="the answer is larger than 100 bytes"):
        await ask(vector(ONE, ONE))


def test_a_token_never_shows(tmp_path: Path) -> None:
    """Not in a repr either; and an authority that cannot be read is named."""
    assert "s3cret" not in repr(ADDRESS)
    with pytest.raises(ConfigError, match=r"prometheus eu: ca_file .*none\.pem cannot be used"):
        ServerAddress("https://p", "eu", ca_file=tmp_path / "none.pem").client()
