"""The request log of a running server: one event for each request, whoever answered it, and nothing private in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.door import SHORT, TEXT, ask, door_file, fly, leased, tenants_file
from tests.support.serving_server import serving
from tests.support.waiting import until_sync

pytestmark = pytest.mark.integration

KEY = "sk-acme-private"
ADDRESS = "203.0.113.77"
SECRET = "the secret recipe"


def events_in(path: Path) -> list[dict[str, Any]]:
    """What the file has by now."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_each_request_leaves_one_event(tmp_path: Path) -> None:
    """Served, shed, without a key, at fault, given up: each once, with what is known and no word of the prompt."""
    log = tmp_path / "events.jsonl"
    tenants = tenants_file(tmp_path, {KEY: "paid"}, classes=[{"name": "paid"}])
    door = door_file(tmp_path, request_log={"to": str(log), "buffer": {"max_age_s": 0.1}}, cluster="c-1")
    with serving(tmp_path / "leases.jsonl", "--door", door, "--tenants", tenants) as server:
        asked = {**SHORT, "prompt": SECRET}
        assert ask(server, asked, key=KEY, address=ADDRESS).status_code == 200
        assert ask(server, asked, address=ADDRESS).status_code == 401
        assert ask(server, {**asked, "max_tokens": "x"}, key=KEY, address=ADDRESS).status_code == 400
        with leased(server, "shed", {"fraction": 1}):
            assert ask(server, asked, key=KEY, address=ADDRESS).status_code == 429
        fly(server, 20, key=KEY).whole()
        headers = {"authorization": f"Bearer {KEY}"}
        body = {**asked, "max_tokens": 1900, "stream": True}
        with httpx.stream("POST", f"{server.url}{TEXT}", json=body, headers=headers, trust_env=False) as gone:
            next(gone.iter_text())
        until_sync(lambda: len(events_in(log)) >= 6)
        assert server.terminate() == 0
    events = sorted(events_in(log), key=lambda event: float(event["ts"]))
    told = [(one["status"], one["door_reason"], one["error_code"]) for one in events]
    assert [status for status, _, _ in told] == [200, 401, 400, 429, 200, 200]
    assert [reason for _, reason, _ in told] == [None, "missing_api_key", None, "shed", None, None]
    assert events[-1]["error_code"] == "client_gone"
    assert len({one["event_id"] for one in events}) == 6
    first, stream = events[0], events[4]
    assert (first["org"], first["cluster"], first["service_class"]) == ("org-paid", "c-1", "paid")
    assert (first["ip_prefix"], first["completion_tokens"], first["billable"]) == ("203.0.113.0/24", 1, True)
    assert (stream["is_stream"], stream["completion_tokens"], stream["finish_reason"]) == (True, 20, "length")
    assert stream["ttft_s"] is not None
    written = log.read_text()
    for private in (SECRET, "recipe", KEY, ADDRESS):
        assert private not in written
