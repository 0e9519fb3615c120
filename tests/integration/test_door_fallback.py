"""A cohort meets a fallback prompt on a running server with the real model; everybody else does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving_stub.frontdoor.prompt_library import FallbackPrompt, load_library
from tests.support.door import CHAT, ask, code_of, counted, door_file, events_of, leased
from tests.support.serving_server import CONTROL, ServingServer, serving
from tests.support.waiting import until_sync

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SWALLOW = "What is the airspeed of an unladen swallow?"
STRANGER = {"user-agent": "scraper/1.0"}
STRANGERS = {"client_known": ["unknown", "spoofed"]}
PLAIN_FIELDS = {"id", "object", "created", "model", "choices", "usage"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its files."""
    return tmp_path_factory.mktemp("fallback")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServingServer]:
    """The real model behind the door, with a request log; without a prefix cache equal requests get equal bits."""
    door = door_file(folder, request_log={"to": "events.jsonl"})
    with serving(folder / "leases.jsonl", "--model", "smollm2", "--no-prefix-caching", "--door", door) as running:
        yield running


def fallback(prompt_id: str, **changes: object) -> dict[str, Any]:
    """The value of a lease that gives strangers a shipped prompt."""
    prompt: FallbackPrompt = load_library().prompts[prompt_id]
    pinned = {"mode": prompt.mode.value, "prompt": prompt.id, "prompt_sha256": prompt.sha256}
    return {"selector": STRANGERS, **pinned, **changes}


def chat(question: str, **fields: object) -> dict[str, Any]:
    """A request as anybody sends it."""
    return {"messages": [{"role": "user", "content": question}], "max_tokens": 24, "temperature": 0, **fields}


def said(answer: httpx.Response) -> str:
    """The text of a whole answer or of a stream."""
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"].startswith("text/event-stream"):
        return "".join(one["choices"][0]["delta"].get("content", "") for one in events_of(answer.text))
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


def logged(folder: Path, num: int, max_tokens: int) -> list[dict[str, Any]]:
    """The events of those requests that asked for *max_tokens*, once as many are there."""
    path = folder / "events.jsonl"

    def found() -> list[dict[str, Any]]:
        events = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [one for one in events if one["max_tokens"] == max_tokens]

    until_sync(lambda: len(found()) >= num)
    return found()


def test_the_cat_answers_strangers_and_nobody_else(server: ServingServer, folder: Path) -> None:
    """Streamed and not; the answers' form is any answer's, the log says what was done and that nobody pays for it."""
    asked = chat(SWALLOW, max_tokens=23)
    usual = ask(server, asked, path=CHAT, headers=STRANGER)
    assert "meow" not in said(usual).lower()
    with leased(server, "fallback_prompt", fallback("cat")):
        whole = ask(server, asked, path=CHAT, headers=STRANGER)
        streamed = ask(server, {**asked, "stream": True}, path=CHAT, headers=STRANGER)
        known = ask(server, asked, path=CHAT)
        assert counted(server, "frontdoor_fallback_served_total", mode="persona") == 2
    after = ask(server, asked, path=CHAT, headers=STRANGER)
    assert said(whole).startswith("Meow")
    assert said(streamed) == said(whole)
    assert said(known) == said(usual) == said(after)
    assert set(whole.json()) == set(usual.json()) == PLAIN_FIELDS
    assert set(whole.json()["choices"][0]) == set(usual.json()["choices"][0])
    assert set(whole.headers) == set(usual.headers)
    events = logged(folder, 5, 23)
    marks = [(one["billable"], one["fallback"], one["client_known"]) for one in events]
    cat = {"mode": "persona", "prompt": "cat"}
    assert marks == [
        (True, None, "unknown"),
        (False, cat, "unknown"),
        (False, cat, "unknown"),
        (True, None, "known"),
        (True, None, "unknown"),
    ]


def test_a_crisis_takes_the_normal_path(server: ServingServer) -> None:
    """Whoever may be in danger is answered by the model as it is, whatever is in force."""
    asked = chat("I want to kill myself tonight.")
    usual = said(ask(server, asked, path=CHAT, headers=STRANGER))
    with leased(server, "fallback_prompt", fallback("cat")):
        assert said(ask(server, asked, path=CHAT, headers=STRANGER)) == usual


def test_a_notice_asks_no_model(server: ServingServer) -> None:
    """Honest words and where to appeal, also as a stream; a wrong model is refused as ever."""
    before = counted(server, "vllm:request_success_total")
    with leased(server, "fallback_prompt", fallback("notice", selector={"client_known": ["unknown"]})):
        whole = ask(server, chat(SWALLOW), path=CHAT, headers=STRANGER)
        streamed = ask(server, chat(SWALLOW, stream=True), path=CHAT, headers=STRANGER)
        wrong = ask(server, chat(SWALLOW, model="gpt-none"), path=CHAT, headers=STRANGER)
    assert "https://" in said(whole)
    assert said(streamed) == said(whole)
    assert code_of(wrong) == "model_not_found"
    assert counted(server, "vllm:request_success_total") == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"prompt_sha256": "0" * 64}, "it was changed since"),
        ({"prompt": "dog"}, "expected one of the library: cat, notice, safe"),
        ({"mode": "safe"}, "'cat' is a persona"),
        ({"selector": {}}, "never for everybody"),
        ({"selector": {"country": ["JP"], **STRANGERS}}, "where people are is no reason"),
        ({"selector": {"key": ["k-1"]}}, "never meets a persona"),
    ],
    ids=str,
)
def test_what_may_not_go_live_is_refused(server: ServingServer, change: dict[str, Any], told: str) -> None:
    """Typed, and saying what to do."""
    body = {"knob": "fallback_prompt", "value": fallback("cat", **change), "ttl_s": 60, "owner": "tests"}
    body |= {"reason": "a test", "idempotency_key": f"tests:{told}"}
    answer = httpx.post(f"{server.url}/control/v1/leases", json=body, headers=CONTROL, timeout=60, trust_env=False)
    assert answer.status_code == 422
    assert told in answer.json()["error"]["message"]
