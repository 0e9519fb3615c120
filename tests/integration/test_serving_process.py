"""The server as a process: how it starts, refuses to start, and stops."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.support.serving_server import CONTROL_TOKEN, serving
from tests.support.waiting import until_sync

pytestmark = pytest.mark.integration


def refused(*arguments: str | Path, cache: Path | None = None) -> tuple[int, str]:
    """Start a server that cannot start: its exit status and what it said."""
    environment = dict(os.environ) | ({"OPSBOT_CACHE": str(cache)} if cache else {})
    done = subprocess.run(
        [sys.executable, "-m", "serving_stub", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_missing_model_names_the_command_that_fetches_it(tmp_path: Path) -> None:
    """Without the model file the server says how to get it, and nothing else."""
    status, said = refused("--port", "0", "--journal", tmp_path / "l.jsonl", cache=tmp_path)
    assert status == 2
    assert "python -m serving_stub.fetch_model" in said
    assert "Traceback" not in said


def test_a_wrong_setting_is_told(tmp_path: Path) -> None:
    """A setting that cannot be is refused before anything starts."""
    status, said = refused("--max-num-seqs", "0")
    assert status == 2
    assert "--max-num-seqs: Input should be greater than or equal to 1, got 0" in said


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    """A port that somebody else has is named, with what to do."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        status, said = refused("--model", "tiny", "--port", port, "--journal", tmp_path / "l.jsonl")
    assert status == 2
    assert f"--port {port} cannot be listened on" in said


def test_a_journal_in_use_is_told(tmp_path: Path) -> None:
    """A second server on the same journal does not start."""
    with serving(tmp_path / "leases.jsonl"):
        status, said = refused("--model", "tiny", "--port", "0", "--journal", tmp_path / "leases.jsonl")
    assert status == 2
    assert "another server uses this lease journal" in said


def test_a_stop_lets_short_streams_finish(tmp_path: Path) -> None:
    """An answer that ends within the grace is whole, and the server leaves with status 0."""
    with serving(tmp_path / "leases.jsonl", "--grace-s", "20") as server, server.client() as client:
        body = {"prompt": "a", "max_tokens": 400, "ignore_eos": True, "stream": True}
        with client.stream("POST", "/v1/completions", json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            stopped = threading.Thread(target=server.terminate)
            stopped.start()
            text = "\n".join(lines)
        stopped.join()
        assert '"finish_reason":"length"' in text
        assert text.rstrip().endswith("data: [DONE]")
        assert server.process.returncode == 0


def test_a_stop_ends_long_streams_with_an_abort(tmp_path: Path) -> None:
    """An answer that outlasts the grace ends properly with its own reason, soon after the grace."""
    with serving(tmp_path / "leases.jsonl", "--grace-s", "0.3") as server, server.client() as client:
        body = {"prompt": "a", "max_tokens": 2000, "ignore_eos": True, "stream": True}
        with client.stream("POST", "/v1/completions", json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            asked_at = time.monotonic()
            stopped = threading.Thread(target=server.terminate)
            stopped.start()
            text = "\n".join(lines)
        stopped.join()
        assert '"finish_reason":"abort"' in text
        assert text.rstrip().endswith("data: [DONE]")
        assert server.process.returncode == 0
        assert time.monotonic() - asked_at < 5


def test_a_stopping_server_refuses_new_requests(tmp_path: Path) -> None:
    """While old streams finish, new requests are sent elsewhere."""
    with serving(tmp_path / "leases.jsonl", "--grace-s", "10") as server, server.client() as client:
        body = {"prompt": "a", "max_tokens": 1500, "ignore_eos": True, "stream": True}
        with client.stream("POST", "/v1/completions", json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            stopped = threading.Thread(target=server.terminate)
            stopped.start()
            until_sync(lambda: httpx.get(f"{server.url}/health", trust_env=False).status_code == 503)
            new = httpx.post(f"{server.url}/v1/completions", json={"prompt": "b"}, trust_env=False)
            assert new.status_code == 503
            assert new.json()["error"]["code"] == "server_stopping"
            assert '"finish_reason":"length"' in "\n".join(lines)
        stopped.join()


def test_a_lease_expires_in_time(tmp_path: Path) -> None:
    """A lease that nobody renews ends by itself, at most half a second late, and reaches the engine."""
    with serving(tmp_path / "leases.jsonl", "--max-num-seqs", "16") as server, server.client() as client:
        body = {"knob": "batch_limit", "value": 2, "ttl_s": 1, "owner": "o", "reason": "r", "idempotency_key": "k"}
        granted = client.post("/control/v1/leases", json=body).json()
        until_sync(lambda: server.metric("serving_batch_limit") == 2)
        assert server.metric("serving_open_leases", knob="batch_limit") == 1
        until_sync(lambda: server.metric("serving_batch_limit") == 16, limit_s=3)
        assert time.time() - granted["expires_at"] < 0.5
        ended = client.get(f"/control/v1/leases/{granted['lease_id']}").json()
        assert (ended["state"], ended["end_reason"]) == ("ended", "expired")


def test_a_smaller_batch_lets_everybody_finish(tmp_path: Path) -> None:
    """A lease that preempts most of a running batch drops nobody."""
    with serving(tmp_path / "leases.jsonl", "--max-num-seqs", "8", "--dtype", "fp32") as server:
        texts: list[str] = []

        def ask() -> None:
            body = {"prompt": "Once", "max_tokens": 200, "temperature": 0, "ignore_eos": True}
            answer = httpx.post(f"{server.url}/v1/completions", json=body, timeout=60, trust_env=False)
            texts.append(answer.json()["choices"][0]["text"])

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        until_sync(lambda: server.metric("vllm:num_requests_running") == 8)
        lease = {"knob": "batch_limit", "value": 2, "mode": "preempt", "ttl_s": 60, "owner": "o", "reason": "r"}
        with server.client() as client:
            client.post("/control/v1/leases", json=lease | {"idempotency_key": "k"}).raise_for_status()
        until_sync(lambda: server.metric("vllm:num_requests_running") <= 2)
        for thread in threads:
            thread.join()
        assert len(texts) == 8
        assert len(set(texts)) == 1
        assert server.metric("vllm:num_preemptions_total") >= 6


def test_nothing_secret_is_logged(tmp_path: Path) -> None:
    """Neither prompts nor tokens appear in what the server prints."""
    with serving(tmp_path / "leases.jsonl") as server, server.client() as client:
        client.post("/v1/completions", json={"prompt": "the secret recipe", "max_tokens": 2})
        client.post("/v1/completions", content=b'{"prompt": "the secret recipe", "max_tokens": "x"}')
        client.get("/control/v1/knobs", headers={"Authorization": "Bearer another-secret"})
        assert server.terminate() == 0
        said = "\n".join(server.output)
    assert "secret" not in said
    assert CONTROL_TOKEN not in said
