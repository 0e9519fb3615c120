"""Shares, bounds and sums, from a source that answers from memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from opsbot.capacity.catalogue import load_catalogue
from opsbot.capacity.forecast import Readings
from opsbot.capacity.gather import gather, tokens_at
from opsbot.capacity.hardware import Figures
from opsbot.capacity.text import history_sentence, trend_sentence
from opsbot.capacity.usage import Cluster, bandwidth_when_full, totals
from opsbot.errors import SourceError
from opsbot.promql.evaluate import query
from opsbot.promql.samples import SampleStore
from tests.support.watching import put

SHIPPED = load_catalogue(Path(__file__).parents[4] / "serving_stub/roofline/catalogue.yaml")
LABELS = {"cluster": "eu", "instance": "a:1", "model_name": "llama-3.1-8b", "engine": "0"}


@dataclass(frozen=True, slots=True)
class Answer:
    """An element or a line."""

    labels: Mapping[str, str]
    value: float = 1.0
    points: Sequence[tuple[float, float]] = ()


@dataclass(slots=True)
class Memory:
    """Answers each query that contains one of its keys; of several, the longest."""

    answers: Mapping[str, Sequence[Answer]] = field(default_factory=dict)

    async def query(self, text: str) -> Sequence[Answer]:
        known = [name for name in self.answers if name in text]
        return self.answers[max(known, key=len)] if known else []

    async def query_at(self, text: str, at_s: float) -> Sequence[Answer]:
        return await self.query(text)

    async def query_range(self, text: str, start_s: float, end_s: float, step_s: float) -> Sequence[Answer]:
        return await self.query(text)


@dataclass(frozen=True, slots=True)
class Stored:
    """Answers as watch does, from its samples."""

    store: SampleStore

    async def query(self, text: str) -> Sequence[Answer]:
        return await self.query_at(text, 120.0)

    async def query_at(self, text: str, at_s: float) -> Sequence[Answer]:
        found = query(text, self.store, at_s)
        assert not isinstance(found, float)
        return [Answer(one.labels, one.value) for one in found]

    async def query_range(self, text: str, start_s: float, end_s: float, step_s: float) -> Sequence[Answer]:
        assert end_s == start_s + step_s
        return [
            Answer(one.labels, points=[(at_s, one.value)])
            for at_s in (start_s, end_s)
            for one in await self.query_at(text, at_s)
        ]


def line(*values: float, **labels: str) -> list[Answer]:
    """One series at 0, 60, 120 … seconds."""
    return [Answer({**LABELS, **labels}, points=[(60.0 * i, value) for i, value in enumerate(values)])]


FULL = {
    "prompt_tokens": line(10, 20),
    "generation_tokens": line(5, 5),
    "kv_cache_usage": line(0.1, 0.2),
    "num_requests_running": line(8, 16),
    "serving_batch_limit": line(64, 64),
    "read_bytes": line(1e12, 1.675e12),
    "write_bytes": line(0, 0),
    "flops": line(1e14, 98.95e12),
    "iteration_tokens": line(50, 100),
    "serving_device_info": [Answer({**LABELS, "device": "h100"})],
    "serving_device_peak": [],
    "cache_config": [Answer({**LABELS, "num_gpu_blocks": "1000", "block_size": "16", "cache_dtype": "auto"})],
}


async def seen(**replaced: Sequence[Answer]) -> Cluster:
    """The only cluster of FULL with some answers replaced."""
    (cluster,) = await gather(Memory({**FULL, **replaced}), 0.0, 60.0, 60.0, Figures(SHIPPED, "bf16"))
    return cluster


async def test_every_bound_of_a_known_cluster() -> None:
    """30 + 5 tokens a second; half the reads are weights that a fuller batch would share."""
    cluster = await seen()
    assert (cluster.name, cluster.model, cluster.tokens_now) == ("eu", "llama-3.1-8b", 1500.0)
    shares = cluster.shares_now
    assert shares["KV"] == 0.2
    assert shares["batch"] == 0.25
    assert shares["compute"] == pytest.approx(0.1)
    # 100 steps/s x 15.01 GB of weights = 1.501 TB/s, of which a batch four times as full needs a quarter.
    assert shares["bandwidth"] == pytest.approx((1.675 - 1.5010 * 0.75) / 3.35, abs=1e-3)
    assert cluster.bound == "batch"
    assert cluster.headroom_bytes == pytest.approx(0.8 * 16_000 * 131_072)


async def test_without_a_device_its_bounds_are_not_known() -> None:
    """Never 0: they are absent, with the reason."""
    cluster = await seen(serving_device_info=[])
    assert set(cluster.shares) == {"KV", "batch"}
    assert cluster.unknown["compute"] == "no `serving_device_info`; set capacity.device"


async def test_a_server_that_states_its_peaks_needs_no_catalogue() -> None:
    """They go before the catalogue's; of a processor no catalogue could know."""
    cluster = await seen(
        serving_device_info=[Answer({**LABELS, "device": "this-cpu"})],
        serving_device_peak_flops_per_second=[Answer(LABELS, 4 * 98.95e12)],
        serving_device_peak_bytes_per_second=[Answer(LABELS, 6.7e12)],
    )
    assert cluster.shares_now["compute"] == 0.25
    assert cluster.shares_now["bandwidth"] == pytest.approx((1.675 - 1.5010 * 0.75) / 6.7, abs=1e-3)
    assert not cluster.unknown


async def test_peaks_of_one_kind_only_do_not_count() -> None:
    """Half a roof is none: the catalogue's is taken."""
    cluster = await seen(serving_device_peak_bytes_per_second=[Answer(LABELS, 1.0)])
    assert cluster.shares_now["compute"] == pytest.approx(0.1)


async def test_a_setting_names_the_device_of_a_plain_vllm() -> None:
    """Compute is known then; counters that stand still leave bandwidth unknown, as without MFU metrics."""
    source = Memory({**FULL, "serving_device_info": [], "read_bytes": line(0, 0)})
    (cluster,) = await gather(source, 0.0, 60.0, 60.0, Figures(SHIPPED, "bf16", "h100"))
    assert cluster.shares_now["compute"] == pytest.approx(0.1)
    assert "does not grow" in cluster.unknown["bandwidth"]


async def test_bandwidth_of_an_unknown_model_is_only_a_limit() -> None:
    """What of the reads is weights is not known, so it does not hold the cluster though it is the largest."""
    unknown = {name: [Answer({**one.labels, "model_name": "x"}, 1.0, one.points) for one in found]
               for name, found in FULL.items()}  # fmt: skip
    (cluster,) = await gather(Memory(unknown), 0.0, 60.0, 60.0, Figures(SHIPPED, "bf16"))
    assert cluster.shares_now["bandwidth"] == pytest.approx(0.5)
    assert cluster.at_most == {"bandwidth"}
    assert cluster.bound == "batch"
    assert cluster.headroom_bytes is None


async def test_max_num_seqs_stands_in_for_the_batch_limit() -> None:
    """Where no limit in force is exposed."""
    cluster = await seen(serving_batch_limit=[], serving_max_num_seqs=line(32, 32))
    assert cluster.shares_now["batch"] == 0.5


async def test_a_plain_vllm_has_no_batch_limit() -> None:
    """It is not guessed: the setting stands in, or the reason says what to set; bandwidth is only a limit then."""
    plain = Memory({**FULL, "serving_batch_limit": []})
    (cluster,) = await gather(plain, 0.0, 60.0, 60.0, Figures(SHIPPED, "bf16"))
    assert cluster.unknown == {"batch": "vLLM exposes no batch limit; set capacity.max_num_seqs to its --max-num-seqs"}
    assert cluster.at_most == {"bandwidth"}
    (cluster,) = await gather(plain, 0.0, 60.0, 60.0, Figures(SHIPPED, "bf16", max_num_seqs=128))
    assert cluster.shares_now["batch"] == 0.125
    assert not cluster.at_most


async def test_vllms_names_are_found_with_an_underscore_too() -> None:
    """Each query asks for both, over samples in memory; who is seen under both names counts once."""
    store = SampleStore()
    for cluster, names in (("colon", "vllm:"), ("underscore", "vllm_"), ("both", "vllm:"), ("both", "vllm_")):
        job = {"job": names} if cluster == "both" else {}
        for name in ("prompt_tokens_total", "generation_tokens_total", "kv_cache_usage_perc"):
            points = [(float(at), at / 100) for at in range(0, 121, 10)]
            put(store, f"{names}{name}", {**LABELS, **job, "cluster": cluster}, *points)
    found = await gather(Stored(store), 60.0, 120.0, 60.0, Figures(None, "bf16"))
    assert {one.name: one.tokens_now for one in found} == pytest.approx({"both": 1.2, "colon": 1.2, "underscore": 1.2})
    assert all(one.shares_now["KV"] > 0 for one in found)
    at = await tokens_at(Stored(store), 120.0, 60.0)
    assert {name: tokens for (name, _), tokens in at.items()} == pytest.approx(
        {"both": 1.2, "colon": 1.2, "underscore": 1.2}
    )


async def test_a_source_without_tokens_says_so() -> None:
    """And what to check."""
    with pytest.raises(SourceError, match="check that it scrapes the servers"):
        await gather(Memory(), 0.0, 60.0, 60.0, Figures(SHIPPED, "bf16"))


def cluster(name: str, country: str | None, tokens: float, used: float) -> Cluster:
    """A cluster with two equal readings."""
    return Cluster(
        name, "m", Readings(0.0, 60.0, [tokens] * 2), {"KV": Readings(0.0, 60.0, [used] * 2)}, country=country
    )


def test_sums_weigh_by_capacity() -> None:
    """300 of 1,000 and 100 of 200: a third of 1,200, not the mean of 30% and 50%."""
    clusters = [cluster("a", "DE", 300, 0.3), cluster("b", "DE", 100, 0.5), cluster("c", None, 7, 0.1)]
    (country,) = totals(clusters, "country")
    assert (country.name, country.num_clusters, country.tokens_now) == ("DE", 2, 400)
    assert country.used_now == pytest.approx(1 / 3)
    (model,) = totals(clusters, "model")
    assert model.num_clusters == 3


def test_the_peak_is_the_last_days() -> None:
    """An older, higher one does not count; a gap is no reading."""
    old = Cluster("a", "m", Readings(0.0, 86_400.0, [900.0, 100.0, math.nan]), {})
    assert old.peak(2 * 86_400.0 - 1) == (86_400.0, 100.0)


def test_a_busy_memory_is_not_a_full_server() -> None:
    """One row of 32 at all of the bandwidth, nearly all weights: full batches need a thirtieth."""
    assert bandwidth_when_full(100.0, 1.0, 99.0, 1.0, 33.0) == pytest.approx(4.0)
    assert bandwidth_when_full(100.0, 1.0, 99.0, 40.0, 33.0) == 100.0


@pytest.mark.parametrize(
    ("readings", "said"),
    [
        (Readings(0.0, 60.0, [1.0] * 21), None),
        (Readings(0.0, 60.0, [math.nan] * 10 + [1.0] * 11),
         "the source knows at most 11 minutes of the 20 minutes looked back over; "
         "--window 11m reads them more closely"),
        (Readings(0.0, 3600.0, [math.nan] * 336 + [1.0]),
         "the source knows at most 60 minutes of the 14 days looked back over; --window 60m reads them more closely"),
        (Readings(0.0, 60.0, [math.nan] * 21), None),
    ],
    ids=["all", "half", "one", "none"],
)  # fmt: skip
def test_a_short_history_is_said(readings: Readings, said: str | None) -> None:
    """A trend over 15 minutes must not look like one over 14 days."""
    assert history_sentence(Cluster("a", "m", readings, {}), None) == said


def test_too_few_readings_are_said() -> None:
    """In the place of a trend."""
    assert trend_sentence(cluster("a", None, 1, 0.1), None, None, 0.0).startswith("too few readings")
