"""The fleet's vitals over HTTP: from watch's own query API and from a real Prometheus with the same samples."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from opsbot.action.control import ControlClient, ServingTarget
from opsbot.capacity.hardware import Figures
from opsbot.clock import SystemClock
from opsbot.source.prometheus import PrometheusSource
from opsbot.vitals.incident import IncidentVitals
from opsbot.vitals.reader import VitalsReader
from opsbot.watch.past import Past
from opsbot.watch.query_api import QueryApi
from tests.support.fleet_samples import BUSY, GONE, PLAIN, store_of
from tests.support.incident_views import make_incident, make_view
from tests.support.ports import free_port
from tests.support.prometheus import prometheus
from tests.support.remote_write import write
from tests.support.serving_server import CONTROL_TOKEN, serving
from tests.support.watching import NoView, served

pytestmark = pytest.mark.integration

FIGURES = Figures(None, "bf16")
SAMPLES = (BUSY, PLAIN, GONE)


@asynccontextmanager
async def source(kind: str, folder: Path) -> AsyncIterator[PrometheusSource]:
    """The samples behind an API."""
    now = time.time()
    if kind == "watch":
        async with served(QueryApi(Past(store_of(SAMPLES, now), None), SystemClock(), NoView()).app) as url:
            found = PrometheusSource(url)
            yield found
            found.close()
        return
    with prometheus(folder / "prometheus") as url:
        await asyncio.to_thread(write, url, [pair for one in SAMPLES for pair in one.series(now)])
        found = PrometheusSource(url)
        yield found
        found.close()


def reader(of: PrometheusSource, deadline_s: float = 20.0) -> VitalsReader:
    """A reader of a fleet whose settings also name a cluster without samples."""
    return VitalsReader(of, SystemClock(), FIGURES, ["ap-1", "eu-1", "us-1", "sa-1"], deadline_s=deadline_s)


@pytest.mark.parametrize("kind", ["watch", "prometheus"])
async def test_a_fleet_is_read_from_either_source(kind: str, tmp_path: Path) -> None:
    """Each number of a drowning cluster, a plain vLLM without what it does not say, and two that nobody sees."""
    async with source(kind, tmp_path) as found:
        one = reader(found)
        fleet, before = await one.fleet(), await one.before()
    assert fleet.missing == ()
    assert sorted(fleet.clusters) == ["ap-1", "eu-1", "sa-1", "us-1"]
    busy = fleet.clusters["eu-1"]
    assert (busy.sight, busy.models, busy.num_targets, busy.num_up) == ("up", ("llama-3.1-8b",), 1, 1)
    assert (busy.running, busy.batch_limit, busy.waiting, busy.kv_ratio) == (32, 32, 14, 0.93)
    assert busy.tokens_per_min == pytest.approx(60_000, rel=0.01)
    assert busy.preemptions_per_min == pytest.approx(30, rel=0.01)
    assert 1.0 < (busy.ttft_s or 0) <= 2.5
    assert not busy.ttft_is_mean
    assert busy.failed_ratio == pytest.approx(0.1, rel=0.01)
    assert busy.turned_away_ratio == pytest.approx(0.25, rel=0.01)
    assert busy.requests_per_s == pytest.approx(2.0, rel=0.01)
    assert busy.prefix_hit_ratio == pytest.approx(0.25, rel=0.01)
    assert busy.held_by in ("queue", "memory")
    assert busy.leases == ()
    assert before.clusters["eu-1"].kv_ratio == 0.61
    plain = fleet.clusters["us-1"]
    assert (plain.running, plain.batch_limit, plain.waiting, plain.failed_ratio) == (8, None, 0, 0)
    assert (plain.turned_away_ratio, plain.bound) == (None, "KV")
    assert plain.used_ratio == pytest.approx(0.2)
    assert plain.requests_per_s == pytest.approx(1.0, rel=0.01)
    assert (fleet.clusters["ap-1"].sight, fleet.clusters["ap-1"].num_up) == ("blind", 0)
    assert (fleet.clusters["sa-1"].sight, fleet.clusters["sa-1"].num_targets) == ("blind", None)


@pytest.mark.parametrize("kind", ["watch", "prometheus"])
async def test_an_incident_has_its_numbers_and_their_course(kind: str, tmp_path: Path) -> None:
    """KV pressure: three readings with their trend, and the same over time with the rule's level."""
    view = make_view(replace(make_incident(), labels={"alertname": "KVCachePressure", "cluster": "eu-1"}))
    async with source(kind, tmp_path) as found:
        vitals = IncidentVitals(reader(found), found, SystemClock(), lambda name: "vllm:kv_cache_usage_perc > 0.85")
        readings = await vitals.readings(view)
        course = await vitals.course(view, time.time())
    assert [(one.key, one.text, one.trend, one.mood) for one in readings] == [
        ("kv", "93%", "rising", "bad"), ("waiting", "14", "rising", "bad"),
        ("preemptions", "30 a minute", "steady", "even"),
    ]  # fmt: skip
    assert course is not None
    assert [(one.figure.key, one.level, one.is_rule) for one in course.tracks] == [
        ("kv", 0.85, True), ("waiting", None, False), ("preemptions", None, False),
    ]  # fmt: skip
    kv = course.tracks[0].points
    assert {value for _, value in kv} == {0.61, 0.93}
    assert kv[0][0] >= course.begin_s
    assert 40 <= len(kv) <= 91


async def test_a_source_that_is_away_leaves_names_and_one_sentence() -> None:
    """Nothing is guessed: the clusters of the settings are blind, and it is said why."""
    fleet = await reader(PrometheusSource(f"http://127.0.0.1:{free_port()}")).fleet()
    assert {one.sight for one in fleet.clusters.values()} == {"blind"}
    (said,) = fleet.missing
    assert said.startswith("all numbers: the metrics source")


async def test_leases_are_asked_of_the_clusters_that_have_some(tmp_path: Path) -> None:
    """A lease of a real server is shown with its knob, value, owner and end; a wrong token is said."""
    with serving(tmp_path / "journal") as server:
        body = {
            "knob": "batch_limit", "value": 8, "ttl_s": 60, "owner": "run:kv:1", "reason": "test",
            "idempotency_key": "one", "stack": True,
        }  # fmt: skip
        with server.client() as http:
            http.post("/control/v1/leases", json=body).raise_for_status()
        control = ControlClient(
            {"sa-1": ServingTarget(server.url, CONTROL_TOKEN), "us-1": ServingTarget(server.url, "wrong")}
        )
        async with source("watch", tmp_path) as found:
            one = VitalsReader(found, SystemClock(), FIGURES, ["sa-1", "us-1", "eu-1"], control, deadline_s=10.0)
            fleet = await one.fleet()
        await control.close()
    (lease,) = fleet.clusters["sa-1"].leases or ()
    assert (lease.knob, lease.value, lease.state) == ("batch_limit", "8", "live")
    assert lease.owner.startswith("r-")
    assert 30 < lease.until - time.time() <= 61
    assert fleet.clusters["us-1"].leases is None
    # eu-1 exposes that it has none, so nobody asks it.
    assert fleet.clusters["eu-1"].leases == ()
    (said,) = fleet.missing
    assert said.startswith("leases of us-1: ")
    assert fleet.leases == ()
