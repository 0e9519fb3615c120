"""The metrics' names, labels, buckets and values."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from serving_stub.engine.interface import EngineStats, FinishRecord, StepRecord
from serving_stub.metrics import ServingMetrics, count_buckets

STATS = EngineStats(
    num_running=3,
    num_waiting=2,
    kv_cache_usage=0.25,
    num_blocks=64,
    num_free_blocks=48,
    batch_limit=8,
    token_budget=256,
    max_num_seqs=32,
    is_alive=True,
)
STEP = StepRecord(
    num_prefill_tokens=10,
    num_decode_tokens=3,
    num_running=3,
    num_waiting=2,
    num_preempted=1,
    num_recomputed_tokens=7,
    kv_cache_usage=0.25,
    duration_s=2.0,
    flops=300.0,
    bytes_read=90.0,
    bytes_written=10.0,
)
FINISHED = FinishRecord(
    finish_reason="length",
    e2e_s=3.0,
    queue_s=0.5,
    prefill_s=0.5,
    decode_s=2.0,
    num_prompt_tokens=10,
    num_generated_tokens=5,
    num_cached_tokens=0,
    num_preemptions=1,
    max_tokens=5,
)


class Scrape:
    """Metrics with a clock that is moved by hand, read as a scraper reads them."""

    def __init__(self) -> None:
        self.time = 100.0
        self.metrics = ServingMetrics("tiny", 2048, lambda: self.time)
        self.metrics.watch(lambda: STATS, lambda: {"batch_limit": 1}, {"block_size": "16"})

    def families(self) -> dict[str, Metric]:
        """Every family by its name in the text."""
        text = self.metrics.exposition().decode()
        return {family.name: family for family in text_string_to_metric_families(text)}

    def value(self, name: str, **labels: str) -> float:
        """The value of the one sample of that name and labels."""
        (found,) = (
            sample.value
            for family in self.families().values()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )
        return found


@pytest.fixture
def scrape() -> Scrape:
    """Fresh metrics."""
    return Scrape()


def test_gauges_are_read_at_the_scrape(scrape: Scrape) -> None:
    """Gauges show what the engine says now."""
    assert scrape.value("vllm:num_requests_running") == 3
    assert scrape.value("vllm:num_requests_waiting") == 2
    assert scrape.value("vllm:kv_cache_usage_perc") == 0.25
    assert scrape.value("serving_batch_limit") == 8
    assert scrape.value("serving_max_num_seqs") == 32
    assert scrape.value("serving_open_leases", knob="batch_limit") == 1


def test_a_step_is_counted(scrape: Scrape) -> None:
    """A step adds its tokens, preemptions, operations and bytes."""
    scrape.metrics.on_step(STEP)
    scrape.metrics.on_step(STEP)
    assert scrape.value("vllm:num_preemptions_total") == 2
    assert scrape.value("serving_recomputed_tokens_total") == 14
    assert scrape.value("vllm:prompt_tokens_total") == 20
    assert scrape.value("vllm:estimated_flops_per_gpu_total") == 600
    assert scrape.value("vllm:estimated_read_bytes_per_gpu_total") == 180
    assert scrape.value("vllm:estimated_write_bytes_per_gpu_total") == 20
    assert scrape.value("vllm:iteration_tokens_total_sum") == 26


def test_a_request_is_counted(scrape: Scrape) -> None:
    """A request's tokens and times land in the counters and histograms."""
    scrape.metrics.on_prefix_lookup(10, 4)
    scrape.metrics.on_first_token(0.7, 0.5)
    for _ in range(4):
        scrape.metrics.on_token(0.5)
    scrape.metrics.on_finished(FINISHED)
    assert scrape.value("vllm:prefix_cache_queries_total") == 10
    assert scrape.value("vllm:prefix_cache_hits_total") == 4
    assert scrape.value("vllm:generation_tokens_total") == 5
    assert scrape.value("vllm:time_to_first_token_seconds_sum") == 0.7
    assert scrape.value("vllm:inter_token_latency_seconds_count") == 4
    assert scrape.value("vllm:e2e_request_latency_seconds_sum") == 3.0
    assert scrape.value("vllm:request_queue_time_seconds_sum") == 0.5
    assert scrape.value("vllm:request_inference_time_seconds_sum") == 2.5
    assert scrape.value("vllm:request_time_per_output_token_seconds_sum") == 0.5
    assert scrape.value("vllm:request_success_total", finished_reason="length") == 1
    assert scrape.value("vllm:request_success_total", finished_reason="error") == 0


def test_an_answer_of_one_token_has_no_time_per_later_token(scrape: Scrape) -> None:
    """One token has no gaps, so it adds nothing to the mean gap."""
    scrape.metrics.on_finished(replace(FINISHED, num_generated_tokens=1))
    assert scrape.value("vllm:request_time_per_output_token_seconds_count") == 0


def test_the_busy_ratio_is_of_the_last_ten_seconds(scrape: Scrape) -> None:
    """A two-second step fills a fifth of the window, then leaves it piece by piece."""
    scrape.metrics.on_step(STEP)
    assert scrape.value("serving_busy_ratio") == pytest.approx(0.2)
    scrape.time += 9.0
    assert scrape.value("serving_busy_ratio") == pytest.approx(0.1)
    scrape.time += 2.0
    assert scrape.value("serving_busy_ratio") == 0.0


def test_arithmetic_intensity_is_operations_over_bytes(scrape: Scrape) -> None:
    """Operations and bytes of the window are summed before they are divided."""
    assert scrape.value("serving_arithmetic_intensity_ops_per_byte") == 0.0
    scrape.metrics.on_step(STEP)
    scrape.metrics.on_step(replace(STEP, flops=100.0))
    assert scrape.value("serving_arithmetic_intensity_ops_per_byte") == 2.0


@pytest.mark.parametrize(
    ("name", "edges"),
    [
        (
            "vllm:time_to_first_token_seconds",
            "0.001 0.005 0.01 0.02 0.04 0.06 0.08 0.1 0.25 0.5 0.75 1.0 2.5 5.0 7.5 10.0 20.0 40.0 80.0 160.0 640.0 "
            "2560.0 +Inf",
        ),
        (
            "vllm:inter_token_latency_seconds",
            "0.01 0.025 0.05 0.075 0.1 0.15 0.2 0.3 0.4 0.5 0.75 1.0 2.5 5.0 7.5 10.0 20.0 40.0 80.0 +Inf",
        ),
        (
            "vllm:e2e_request_latency_seconds",
            "0.3 0.5 0.8 1.0 1.5 2.0 2.5 5.0 10.0 15.0 20.0 30.0 40.0 50.0 60.0 120.0 240.0 480.0 960.0 1920.0 7680.0 "
            "+Inf",
        ),
        (
            "vllm:iteration_tokens_total",
            "1.0 8.0 16.0 32.0 64.0 128.0 256.0 512.0 1024.0 2048.0 4096.0 8192.0 16384.0 +Inf",
        ),
        ("vllm:request_prompt_tokens", "1.0 2.0 5.0 10.0 20.0 50.0 100.0 200.0 500.0 1000.0 2000.0 +Inf"),
    ],
)
def test_buckets_are_those_of_vllm(scrape: Scrape, name: str, edges: str) -> None:
    """The edges equal what vLLM 0.32 exposes, so that the same quantiles come out."""
    samples = scrape.families()[name].samples
    found = [sample.labels["le"] for sample in samples if sample.name == f"{name}_bucket"]
    assert found == edges.split()


def test_count_buckets_end_at_the_window() -> None:
    """The largest edge does not pass the window."""
    assert count_buckets(150) == (1, 2, 5, 10, 20, 50, 100)


def test_every_series_has_vllms_labels(scrape: Scrape) -> None:
    """Each of our series and vLLM's carries the model and the engine."""
    for family in scrape.families().values():
        for sample in family.samples:
            if not sample.name.startswith("process_"):
                assert (sample.labels["model_name"], sample.labels["engine"]) == ("tiny", "0")


def test_every_metric_is_documented(scrape: Scrape) -> None:
    """docs/metrics.md has exactly one row for each metric of the server."""
    page = (Path(__file__).parents[3] / "docs/metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `((?:vllm:|serving_)\w+)` \| (\w+) \|", page, re.MULTILINE)
    exposed = [
        (family.name + ("_total" if family.type == "counter" else ""), family.type)
        for family in scrape.families().values()
        if not family.name.startswith("process_") and not family.name.endswith("_created")
    ]
    assert sorted(rows) == sorted(exposed)
