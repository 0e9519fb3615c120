"""A model that cannot do what a prompt says keeps that prompt from going live, also after a restart."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from serving_stub.frontdoor.prompt_library import load_library
from tests.support.door import CHAT, ask, door_file, grant
from tests.support.serving_server import CONTROL, ServingServer, serving
from tests.support.waiting import until_sync

pytestmark = pytest.mark.integration

STRANGER = {"user-agent": "scraper/1.0"}
ASKED = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}


def value(prompt_id: str) -> dict[str, object]:
    """A shipped prompt for strangers."""
    prompt = load_library().prompts[prompt_id]
    pinned = {"mode": prompt.mode.value, "prompt": prompt.id, "prompt_sha256": prompt.sha256}
    return {"selector": {"client_known": ["unknown", "spoofed"]}, **pinned}


def text_of(server: ServingServer) -> str:
    """What a stranger is told."""
    answer = ask(server, ASKED, path=CHAT, headers=STRANGER)
    assert answer.status_code == 200
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


def test_a_prompt_that_fails_its_probes_is_not_granted(tmp_path: Path) -> None:
    """The tiny model knows no cat: the refusal names the questions, and nothing is in force."""
    with serving(tmp_path / "leases.jsonl") as server:
        body = {"knob": "fallback_prompt", "value": value("cat"), "ttl_s": 60, "owner": "tests", "reason": "a test"}
        answer = httpx.post(
            f"{server.url}/control/v1/leases",
            json=body | {"idempotency_key": "cat"},
            headers=CONTROL,
            timeout=60,
            trust_env=False,
        )
        assert answer.status_code == 422
        error = answer.json()["error"]
        assert (error["code"], error["param"]) == ("invalid_value", "value")
        assert "'cat' does not pass its probes on this model: '" in error["message"]
        knob = httpx.get(f"{server.url}/control/v1/knobs/fallback_prompt", headers=CONTROL, trust_env=False).json()
        assert knob["leases"] == []


def test_a_notice_outlives_a_kill(tmp_path: Path) -> None:
    """It needs no probe, so its cohort meets it from the first request on."""
    arguments = (tmp_path / "leases.jsonl", "--door", door_file(tmp_path))
    with serving(*arguments) as server:
        grant(server, "fallback_prompt", value("notice"))
        told = text_of(server)
        assert "https://" in told
        server.kill()
    with serving(*arguments) as server:
        assert text_of(server) == told
        until_sync(lambda: httpx.get(f"{server.url}/health", trust_env=False).status_code == 200)
