"""Faults over HTTP: each is asked for as a lease, does what its name says, and is gone when the lease is released."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.serving_server import ServingServer, serving
from tests.support.waiting import until_sync

pytestmark = pytest.mark.integration

BODY: dict[str, Any] = {"prompt": "hello", "max_tokens": 8, "temperature": 0, "ignore_eos": True}
NUM_BLOCKS = 16


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """The tiny model."""
    journal = tmp_path_factory.mktemp("faults") / "leases.jsonl"
    with serving(journal, "--num-blocks", str(NUM_BLOCKS)) as started:
        yield started


@contextmanager
def fault(client: httpx.Client, name: str, value: int) -> Iterator[None]:
    """The fault for the length of a with block."""
    body = {"knob": f"fault.{name}", "value": value, "ttl_s": 60, "owner": "test", "reason": "a drill"}
    key = f"{name}:{value}:{time.monotonic_ns()}"
    granted = client.post("/control/v1/leases", json=body | {"idempotency_key": key}).raise_for_status().json()
    assert granted["in_force"] == value
    try:
        yield
    finally:
        released = client.delete(f"/control/v1/leases/{granted['lease_id']}").raise_for_status().json()
        assert released["in_force"] == 0


def complete(client: httpx.Client, **changes: Any) -> httpx.Response:
    """One generation."""
    return client.post("/v1/completions", json=BODY | changes)


def test_latency(server: ServingServer) -> None:
    """Every generation takes so much longer."""
    with server.client() as client:
        with fault(client, "latency_ms", 400):
            started = time.monotonic()
            assert complete(client).status_code == 200
            assert time.monotonic() - started >= 0.4
        assert complete(client).status_code == 200


def test_errors(server: ServingServer) -> None:
    """A share of generations fails with a typed error; all of them, then none."""
    with server.client() as client:
        with fault(client, "error_percent", 50):
            codes = {complete(client).status_code for _ in range(40)}
            assert codes == {200, 500}
        with fault(client, "error_percent", 100):
            failed = server.metric("vllm:request_success_total", finished_reason="error")
            assert complete(client).json()["error"]["code"] == "injected_fault"
            assert server.metric("vllm:request_success_total", finished_reason="error") == failed + 1
        assert complete(client).status_code == 200


def test_stall(server: ServingServer) -> None:
    """Healthy but not serving: health is green, no token comes, and the answer comes when it is over."""
    with server.client() as client, concurrent.futures.ThreadPoolExecutor(1) as pool:
        with fault(client, "stall", 1):
            waiting = pool.submit(complete, client)
            until_sync(
                lambda: server.metric("vllm:num_requests_waiting") + server.metric("vllm:num_requests_running") > 0
            )
            before = server.metric("vllm:generation_tokens_total")
            assert client.get("/health").status_code == 200
            with pytest.raises(concurrent.futures.TimeoutError):
                waiting.result(0.5)
            assert server.metric("vllm:generation_tokens_total") == before
        assert waiting.result(20).status_code == 200


def test_slow_steps(server: ServingServer) -> None:
    """Eight tokens are at least seven steps."""
    with server.client() as client, fault(client, "slow_step_ms", 60):
        started = time.monotonic()
        assert complete(client).status_code == 200
        assert time.monotonic() - started >= 7 * 0.06


def test_lost_kv_blocks(server: ServingServer) -> None:
    """With most of the pool gone a long request has to wait, the cache looks full, and nothing is lost in the end."""
    with server.client() as client, concurrent.futures.ThreadPoolExecutor(1) as pool:
        with fault(client, "lost_kv_blocks", NUM_BLOCKS - 1):
            waiting = pool.submit(complete, client, prompt="x" * 40)
            until_sync(lambda: server.metric("vllm:num_requests_waiting") == 1)
            assert complete(client, prompt="hi", max_tokens=4, deadline_s=0.3).status_code in (200, 503)
            assert not waiting.done()
        assert waiting.result(20).status_code == 200
    until_sync(lambda: server.metric("vllm:kv_cache_usage_perc") == 0)


def test_metrics_blackout(server: ServingServer) -> None:
    """The scraper sees nothing while requests are served as ever."""
    with server.client() as client:
        with fault(client, "metrics_blackout", 1):
            assert client.get("/metrics").status_code == 503
            assert complete(client).status_code == 200
        assert client.get("/metrics").status_code == 200


def test_metrics_frozen(server: ServingServer) -> None:
    """The scraper goes on seeing what was true when it began, whatever happens since."""
    with server.client() as client:
        with fault(client, "metrics_frozen", 1):
            before = server.metric("vllm:generation_tokens_total")
            assert complete(client, max_tokens=4).status_code == 200
            assert server.metric("vllm:generation_tokens_total") == before
        until_sync(lambda: server.metric("vllm:generation_tokens_total") > before)


def test_engine_crash(server: ServingServer) -> None:
    """Who is in the engine is told to ask again, health turns red, and a moment later all is well."""
    with server.client() as client, concurrent.futures.ThreadPoolExecutor() as threads:
        restarts = server.metric("serving_engine_restarts_total")
        with fault(client, "slow_step_ms", 50):
            whole = threads.submit(complete, client, max_tokens=60)
            streamed = threads.submit(complete, client, max_tokens=60, stream=True)
            until_sync(lambda: server.metric("vllm:num_requests_running") == 2)
            until_sync(lambda: server.metric("vllm:generation_tokens_total") > 0)
            with fault(client, "crash_every_s", 3600):
                answer = whole.result(20)
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_died")
                assert answer.headers["retry-after"] == "1"
                *_, last, done = [line for line in streamed.result(20).text.splitlines() if line]
                assert '"code":"engine_died"' in last
                assert done == "data: [DONE]"
                assert client.get("/health").json()["error"]["code"] == "engine_dead"
                until_sync(lambda: client.get("/health").status_code == 200)
        assert complete(client).status_code == 200
        assert server.metric("serving_engine_restarts_total") == restarts + 1
        assert server.metric("vllm:kv_cache_usage_perc") == 0


@pytest.mark.parametrize("skew_s", [-7200, 7200])
def test_clock_skew(server: ServingServer, skew_s: int) -> None:
    """The times that are shown are wrong by so much; a lease ends after its own seconds all the same."""
    with server.client() as client:
        with fault(client, "clock_skew_s", skew_s):
            assert complete(client).json()["created"] == pytest.approx(time.time() + skew_s, abs=30)
            body = {"knob": "batch_limit", "value": 4, "ttl_s": 1, "owner": "t", "reason": "r"}
            lease = client.post("/control/v1/leases", json=body | {"idempotency_key": f"skew:{skew_s}"}).json()
            assert lease["expires_at"] == pytest.approx(time.time() + 1 + skew_s, abs=30)
            until_sync(lambda: client.get(f"/control/v1/leases/{lease['lease_id']}").json()["state"] == "ended")
        assert complete(client).json()["created"] == pytest.approx(time.time(), abs=30)


def test_the_largest_fault_is_in_force(server: ServingServer) -> None:
    """Two drills at once: the worse counts, and what is left counts when it ends."""
    with server.client() as client, fault(client, "latency_ms", 5):
        body = {"knob": "fault.latency_ms", "value": 2, "ttl_s": 60, "owner": "other", "reason": "x", "stack": True}
        milder = client.post("/control/v1/leases", json=body | {"idempotency_key": "milder"}).json()
        assert milder["in_force"] == 5
        client.delete(f"/control/v1/leases/{milder['lease_id']}").raise_for_status()


@pytest.mark.parametrize(
    ("name", "value"), [("stall", 2), ("error_percent", 101), ("lost_kv_blocks", NUM_BLOCKS), ("clock_skew_s", -86_401)]
)
def test_absurd_faults_are_refused(server: ServingServer, name: str, value: int, tmp_path: Path) -> None:
    """Out of range is told with the range."""
    body = {"knob": f"fault.{name}", "value": value, "ttl_s": 60, "owner": "t", "reason": "r", "idempotency_key": name}
    with server.client() as client:
        refused = client.post("/control/v1/leases", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "value_out_of_range")
