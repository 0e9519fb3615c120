"""From elements to vitals: what is absent, unnamed, or not believable."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opsbot.capacity.hardware import Figures
from opsbot.promql.evaluate import query
from opsbot.source.prometheus import Sample
from opsbot.vitals.gather import UNNAMED, sorted_out, vitals_of
from opsbot.vitals.question import QUESTIONS
from opsbot.vitals.vitals import Vitals
from tests.support.fleet_samples import BUSY, PLAIN, ClusterSamples, store_of
from tests.support.watching import put

NOW = 1_000_000.0


def vitals(*clusters: ClusterSamples, figures: Figures | None = None, named: tuple[str, ...] = ()) -> dict[str, Vitals]:
    """The vitals that the clusters' samples yield."""
    store = store_of(clusters, NOW)
    found = [one for text in QUESTIONS.values() for one in query(text, store, NOW)]  # type: ignore[union-attr]
    samples = [Sample(dict(one.labels), one.value) for one in found]
    return vitals_of(sorted_out(samples), NOW, figures or Figures(None, "bf16"), named)


def test_a_vllm_without_a_histogram_shows_the_mean() -> None:
    """Some collectors drop buckets; a mean is said to be one."""
    found = vitals(replace(PLAIN, has_histogram=False, ttft_s=0.7))["us-1"]
    assert found.ttft_s == pytest.approx(0.7)
    assert found.ttft_is_mean


def test_without_first_tokens_there_is_no_latency() -> None:
    """Nothing divided by nothing is not known, and not zero."""
    found = vitals(replace(PLAIN, ttft_s=None))["us-1"]
    assert (found.ttft_s, found.ttft_is_mean, found.requests_per_s) == (None, False, None)


def test_the_settings_say_a_plain_vllms_limit() -> None:
    """`capacity.max_num_seqs` of each engine; its batch is then a bound too."""
    found = vitals(PLAIN, figures=Figures(None, "bf16", max_num_seqs=10))["us-1"]
    assert (found.batch_limit, found.bound) == (10, "batch")
    assert found.used_ratio == pytest.approx(0.8)


def test_a_target_that_sends_an_old_page_is_frozen() -> None:
    """Its processor time stands still while it answers; the numbers are shown, and said to be old."""
    store = store_of([PLAIN], NOW)
    labels = {"cluster": "us-1", "instance": "us-1:9000", "job": "serving"}
    put(store, "process_cpu_seconds_total", labels, *((NOW - 130 + 10 * step, 7.0) for step in range(14)))
    found = [one for text in QUESTIONS.values() for one in query(text, store, NOW)]  # type: ignore[union-attr]
    samples = [Sample(dict(one.labels), one.value) for one in found]
    assert vitals_of(sorted_out(samples), NOW, Figures(None, "bf16"), ())["us-1"].sight == "frozen"


def test_samples_without_a_cluster_are_shown_as_such() -> None:
    """They are not silently anybody's, and capacity's share stands in the same line."""
    store = store_of([], NOW)
    labels = {"instance": "host:8000", "model_name": "m", "engine": "0"}
    for name, level in (("vllm:num_requests_running", 3.0), ("vllm:kv_cache_usage_perc", 0.4)):
        put(store, name, labels, *((NOW - 130 + 10 * step, level) for step in range(14)))
    put(store, "vllm:generation_tokens_total", labels, *((NOW - 130 + 10 * step, 10.0 * step) for step in range(14)))
    found = [one for text in QUESTIONS.values() for one in query(text, store, NOW)]  # type: ignore[union-attr]
    samples = [Sample(dict(one.labels), one.value) for one in found]
    only = vitals_of(sorted_out(samples), NOW, Figures(None, "bf16"), ())
    assert list(only) == [UNNAMED]
    assert only[UNNAMED].running == 3
    assert only[UNNAMED].used_ratio == pytest.approx(0.4)


def test_a_collector_that_rewrites_the_colon() -> None:
    """`vllm_…` is found as `vllm:…` is."""
    steady = replace(BUSY, levels_before={})
    renamed = replace(
        steady,
        levels={name.replace("vllm:", "vllm_"): level for name, level in BUSY.levels.items()},
        growth={name.replace("vllm:", "vllm_"): rate for name, rate in BUSY.growth.items()},
    )
    found, usual = vitals(renamed)["eu-1"], vitals(steady)["eu-1"]
    for name in ("kv_ratio", "running", "tokens_per_min", "failed_ratio", "used_ratio", "models"):
        assert getattr(found, name) == getattr(usual, name), name


def test_not_a_number_is_not_known() -> None:
    """A quantile of nothing is NaN in an answer."""
    samples = [Sample({"figure": "ttft", "cluster": "a"}, float("nan")), Sample({"figure": "kv", "cluster": "a"}, 0.5)]
    assert vitals_of(sorted_out(samples), NOW, Figures(None, "bf16"), ())["a"] == Vitals(
        "a", sight="blind", kv_ratio=0.5
    )
