"""The traffic generator against a real server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.ports import free_port
from tests.support.serving_server import ServingServer, serving
from tests.support.waiting import until_sync

pytestmark = pytest.mark.integration


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """A server small enough to be overrun."""
    arguments = ("--max-num-seqs", "8", "--num-blocks", "64", "--max-model-len", "512")
    with serving(tmp_path_factory.mktemp("traffic") / "leases.jsonl", *arguments) as running:
        yield running


class Traffic:
    """`python -m serving_stub traffic` and the lines it printed."""

    def __init__(self, url: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "serving_stub", "traffic", "--url", url, *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.lines: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait(self, limit_s: float = 30.0) -> int:
        """Its exit status."""
        try:
            status = self.process.wait(limit_s)
        finally:
            self.process.kill()
            self._reader.join(limit_s)
            assert self.process.stdout is not None
            self.process.stdout.close()
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines += map(json.loads, self.process.stdout)


def test_a_run_reports_every_second_and_then_all(server: ServingServer) -> None:
    """Each line has the same fields, and the summary agrees with what the server counted."""
    traffic = Traffic(server.url, "--rate", "6", "--duration", "3", "--seed", "3", "--max-tokens", "12")
    assert traffic.wait() == 0
    *lines, summary = traffic.lines
    fields = {"t", "sent", "done", "failed", "outstanding", "skipped", "ttft_p50", "ttft_p95", "tokens_per_s"}
    assert [set(line) for line in lines] == [fields] * len(lines)
    assert len(lines) >= 2
    assert summary["summary"] is True
    assert summary["sent"] == summary["done"] > 5
    assert summary["tokens"] == summary["done"] * 12
    # Two more come from the probes that measure how the server counts prompts.
    assert server.metric("vllm:request_success_total", finished_reason="length") == summary["done"] + 2
    assert server.metric("vllm:generation_tokens_total") == summary["tokens"] + 2


def test_prompts_have_about_the_asked_tokens(server: ServingServer) -> None:
    """The mean prompt is within a tenth of what was asked for, template and all."""
    traffic = Traffic(server.url, "--rate", "8", "--duration", "3", "--prompt-tokens", "300", "--max-tokens", "1")
    assert traffic.wait() == 0
    num_requests = server.metric("vllm:request_prompt_tokens_count")
    mean = server.metric("vllm:request_prompt_tokens_sum") / num_requests
    assert num_requests > 10
    assert 0.75 * 300 < mean < 1.1 * 300


def test_an_overload_is_real(server: ServingServer) -> None:
    """More users than the KV cache can carry: sequences are preempted, the queue grows, arrivals are skipped."""
    traffic = Traffic(
        server.url,
        *("--scenario", "launch_spike", "--rate", "60", "--duration", "30"),
        *("--max-outstanding", "24", "--prompt-tokens", "150", "--max-tokens", "120"),
    )
    until_sync(lambda: server.metric("vllm:num_preemptions_total") > 0, limit_s=20)
    until_sync(lambda: server.metric("vllm:num_requests_waiting") > 4, limit_s=20)
    until_sync(lambda: any(line["skipped"] > 0 for line in traffic.lines), limit_s=20)
    traffic.process.send_signal(signal.SIGTERM)
    assert traffic.wait() == 0
    until_sync(lambda: server.metric("vllm:num_requests_running") == 0)
    assert server.metric("vllm:kv_cache_usage_perc") == 0
    assert server.metric("serving_recomputed_tokens_total") > 0
    assert traffic.lines[-1]["cancelled"] > 0
    assert traffic.lines[-1]["failed"] == 0, traffic.lines[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_a_drained_run_loses_nobody(server: ServingServer, number: signal.Signals) -> None:
    """With --drain a stopped run waits for every answer that is still to come."""
    traffic = Traffic(server.url, "--rate", "20", "--duration", "60", "--max-tokens", "150", "--drain")
    until_sync(lambda: any(line["outstanding"] > 3 for line in traffic.lines), limit_s=20)
    traffic.process.send_signal(number)
    assert traffic.wait() == 0
    summary = traffic.lines[-1]
    assert (summary["cancelled"], summary["failed"]) == (0, 0), summary
    assert summary["sent"] == summary["done"]


def test_a_server_that_is_not_there_is_told() -> None:
    """The one line says why, and the exit status that it failed."""
    traffic = Traffic(f"http://127.0.0.1:{free_port()}")
    assert traffic.wait() == 1
    assert [set(line) for line in traffic.lines] == [{"error"}]
    assert "cannot be reached" in traffic.lines[0]["error"]


def test_a_wrong_model_is_told(server: ServingServer) -> None:
    """A model that the server does not have is found out before any load."""
    traffic = Traffic(server.url, "--model", "gpt-none")
    assert traffic.wait() == 1
    assert "answered 404" in traffic.lines[0]["error"]
