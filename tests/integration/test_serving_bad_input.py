"""Bad input over a real connection: an error in OpenAI's shape with the right status, and nobody else notices."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.serving_server import ServingServer, serving

pytestmark = pytest.mark.integration

USER = {"role": "user", "content": "hello"}
SYSTEM = {"role": "system", "content": "be brief"}
ASSISTANT = {"role": "assistant", "content": "hi"}
CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
STEADY: dict[str, Any] = {"prompt": "steady", "max_tokens": 400, "temperature": 0, "ignore_eos": True}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """The tiny model."""
    with serving(tmp_path_factory.mktemp("bad") / "leases.jsonl") as started:
        yield started


def chat(**changes: Any) -> dict[str, Any]:
    """A conversation's body."""
    return {"messages": [USER], "max_tokens": 4, **changes}


def text(**changes: Any) -> dict[str, Any]:
    """A text's body."""
    return {"prompt": "hello", "max_tokens": 4, **changes}


BAD = [
    (CHAT, chat(stop=["x"] * 10_000), 400, "invalid_request", "stop"),
    (CHAT, chat(stop="x" * 100_000), 400, "invalid_request", "stop"),
    (CHAT, chat(max_tokens=-1), 400, "invalid_request", "max_tokens"),
    (TEXT, text(max_tokens=0), 400, "invalid_request", "max_tokens"),
    (TEXT, text(max_tokens=10**30), 400, "context_length_exceeded", None),
    (TEXT, text(max_tokens=1.5), 400, "invalid_request", "max_tokens"),
    (TEXT, text(prompt="x" * 50_000), 400, "context_length_exceeded", None),
    (TEXT, text(prompt=[10**30]), 400, "invalid_token", None),
    (TEXT, text(model="gpt-none"), 404, "model_not_found", "model"),
    (CHAT, chat(messages=[USER, SYSTEM, USER]), 400, "invalid_request", "messages"),
    (CHAT, chat(messages=[USER, ASSISTANT]), 400, "invalid_request", "messages"),
    (CHAT, chat(messages=[SYSTEM]), 400, "invalid_request", "messages"),
    (CHAT, chat(messages=[{"role": "king", "content": "x"}]), 400, "invalid_request", "messages"),
    (CHAT, chat(temperature=-1), 400, "invalid_request", "temperature"),
    (CHAT, {"messages": "hello"}, 400, "invalid_request", "messages"),
    (CHAT, {}, 400, "invalid_request", "messages"),
]


def test_each_is_refused_and_nobody_else_notices(server: ServingServer) -> None:
    """While one client is answered, all others send rubbish; its answer is the one that it gets alone."""
    with server.client() as client, concurrent.futures.ThreadPoolExecutor() as threads:
        alone = client.post(TEXT, json=STEADY).json()["choices"][0]["text"]
        steady = threads.submit(client.post, TEXT, json=STEADY)
        for path, body, status, code, param in BAD:
            answer = client.post(path, json=body)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"], error["param"]) == (status, code, param), str(body)[:100]
            assert set(error) == {"message", "type", "param", "code"}
            assert len(error["message"]) < 300
        assert steady.result(30).json()["choices"][0]["text"] == alone
    assert server.metric("vllm:request_success_total", finished_reason="error") == 0


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b"null", b'{"messages": ' * 2000, b"1" * 10_000])
def test_what_is_no_json_object_is_refused(server: ServingServer, content: bytes) -> None:
    """Cut, of another kind, not UTF-8, nested beyond reason."""
    with server.client() as client:
        answer = client.post(CHAT, content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("is_length_stated", [True, False])
def test_fifty_megabytes_are_refused_and_not_kept(server: ServingServer, *, is_length_stated: bool) -> None:
    """413, read no further than the limit: the process does not grow by what was sent."""

    def pieces() -> Iterator[bytes]:
        for _ in range(50):
            yield b"x" * 1_000_000

    before = server.metric("process_resident_memory_bytes")
    with server.client() as client:
        try:
            content = b"x" * 50_000_000 if is_length_stated else pieces()
            answer = client.post(CHAT, content=content, headers={"content-type": "application/json"})
        except httpx.WriteError:
            # The server has answered and closed while we were still sending; some systems lose the answer then.
            pass
        else:
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
        assert client.post(TEXT, json=text()).status_code == 200
    assert server.metric("process_resident_memory_bytes") - before < 20_000_000
