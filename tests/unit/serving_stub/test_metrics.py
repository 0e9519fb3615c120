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
from serving_stub.roofline.roof import Device

STATS = EngineStats(
    num_running=3,
    num_waiting=2,
    kv_cache_usage=0.25,
    num_blocks=64,
    num_free_blocks=48,
    batch_limit=8,
    token_budget=256,
    max_num_seqs=32,
    num_first_tokens=5,
    is_alive=True,
    num_restarts=2,
)
STEP = StepRecord(
    num_prefill_tokens=10,
    num_decode_tokens=3,
    num_running=3,
    num_waiting=2,
    num_preempted=1,
    num_recomputed_tokens=7,
    num_swapped_out_blocks=4,
    num_swapped_in_blocks=2,
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


DEVICE = Device("d", flops_per_s=20.0, bytes_per_s=4.0, host_bytes_per_s=1.0, memory_bytes=None)
"""Its ridge point is 5 operations per byte."""
VLLM = Path(__file__).parents[2] / "data/vllm-0.32.0-metrics-under-load.txt"


class Scrape:
    """Metrics with a clock that is moved by hand, read as a scraper reads them."""

    def __init__(self) -> None:
        self.time = 100.0
        self.metrics = ServingMetrics("tiny", 2048, lambda: self.time)
        self.metrics.watch(lambda: STATS, lambda: {"batch_limit": 1}, {"block_size": "16"}, DEVICE)

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
    assert scrape.value("serving_engine_restarts_total") == 2
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
    scrape.metrics.on_prefix_lookup(10, 4, 3)
    scrape.metrics.on_first_token(0.7, 0.5)
    for _ in range(4):
        scrape.metrics.on_token(0.5)
    scrape.metrics.on_finished(FINISHED)
    assert scrape.value("vllm:prefix_cache_queries_total") == 10
    assert scrape.value("vllm:prefix_cache_hits_total") == 4
    assert scrape.value("serving_evicted_prefix_tokens_total") == 3
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


@pytest.mark.parametrize(("flops", "bound"), [(450.0, "memory"), (550.0, "compute")])
def test_which_bound_holds(scrape: Scrape, flops: float, bound: str) -> None:
    """4.5 operations a byte lie below the device's ridge of 5, 5.5 above it; without a step neither holds."""
    assert scrape.value("serving_ridge_point_ops_per_byte") == 5.0
    peaks = [scrape.value(f"serving_device_peak_{what}_per_second") for what in ("flops", "bytes")]
    assert peaks == [DEVICE.flops_per_s, DEVICE.bytes_per_s]
    assert {scrape.value("serving_bound", bound=one) for one in ("memory", "compute")} == {0.0}
    scrape.metrics.on_step(replace(STEP, flops=flops))
    assert {one: scrape.value("serving_bound", bound=one) for one in ("memory", "compute")} == {
        "memory": float(bound == "memory"),
        "compute": float(bound == "compute"),
    }
    assert scrape.value("serving_step_intensity_ops_per_byte_sum") == flops / 100
    assert scrape.value("serving_device_info", device="d") == 1


def test_swapped_blocks_are_counted_by_direction(scrape: Scrape) -> None:
    """Out to the host and back into the pool."""
    scrape.metrics.on_step(STEP)
    assert scrape.value("serving_swapped_blocks_total", direction="out") == 4
    assert scrape.value("serving_swapped_blocks_total", direction="in") == 2


def series(family: Metric) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    """Every series of a family: its name and its labels but for the model's name."""
    return {
        (sample.name, tuple(sorted((key, value) for key, value in sample.labels.items() if key != "model_name")))
        for sample in family.samples
    }


def test_names_types_labels_and_buckets_are_those_of_vllm(scrape: Scrape) -> None:
    """Every `vllm:` series that we expose is one that vLLM 0.32 exposed under load, down to the last bucket."""
    theirs = {family.name: family for family in text_string_to_metric_families(VLLM.read_text(encoding="utf-8"))}
    ours = [family for family in scrape.families().values() if family.name.startswith("vllm:")]
    assert len(ours) > 50
    for family in ours:
        assert theirs[family.name].type == family.type, family.name
        if family.name != "vllm:cache_config_info":
            assert series(family) == series(theirs[family.name])


def test_what_vllm_has_beyond_us() -> None:
    """Caches on other machines and of pictures, and queue limits: nothing here could fill them."""
    theirs = {family.name for family in text_string_to_metric_families(VLLM.read_text(encoding="utf-8"))}
    ours = {name for name in Scrape().families() if name.startswith("vllm:")}
    missing = {name for name in theirs - ours if name.startswith("vllm:") and not name.endswith("_created")}
    assert missing == {
        "vllm:admission_rejections",
        "vllm:external_prefix_cache_hits",
        "vllm:external_prefix_cache_queries",
        "vllm:mm_cache_hits",
        "vllm:mm_cache_queries",
    }


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
