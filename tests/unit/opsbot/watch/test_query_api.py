"""Prometheus's query API over our samples, spoken to in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest

from opsbot.promql.samples import SampleStore
from opsbot.watch.past import Past
from opsbot.watch.query_api import QueryApi
from tests.support.watching import StepClock, put

NOW = 1_000_000.0


class View:
    """What a watcher would show."""

    def exposition(self) -> str:
        return "opsbot_watch_targets_up 1.0\n"

    def target_list(self) -> Sequence[Mapping[str, object]]:
        return [{"scrapeUrl": "http://a/metrics", "health": "up"}]

    def source_list(self) -> Sequence[Mapping[str, object]]:
        return []

    def rule_groups(self) -> Sequence[Mapping[str, object]]:
        return [{"name": "f.yaml", "rules": []}]


@pytest.fixture
def client() -> httpx.AsyncClient:
    """A client of an API with one series."""
    store = SampleStore()
    put(store, "m", {"cluster": "a"}, *((NOW - 10 + second, float(second)) for second in range(11)))
    put(store, "odd", {}, (NOW, float("nan")))
    app = QueryApi(Past(store, None), StepClock(NOW), View()).app
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://watch")


async def data(client: httpx.AsyncClient, path: str, **params: str) -> Any:
    """The data of a successful answer."""
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "success"
    return answer.json()["data"]


async def test_an_instant_query_yields_a_vector(client: httpx.AsyncClient) -> None:
    """Values are text, times are numbers."""
    assert await data(client, "/api/v1/query", query="m") == {
        "resultType": "vector",
        "result": [{"metric": {"__name__": "m", "cluster": "a"}, "value": [NOW, "10.0"]}],
    }


@pytest.mark.parametrize("moment", [str(NOW - 5), "1970-01-12T13:46:35Z"])
async def test_the_time_may_be_given(client: httpx.AsyncClient, moment: str) -> None:
    """In seconds, or RFC 3339."""
    found = await data(client, "/api/v1/query", query="m", time=moment)
    assert found["result"][0]["value"] == [NOW - 5, "5.0"]


async def test_a_number_is_a_scalar(client: httpx.AsyncClient) -> None:
    """And what is no number is written as Prometheus writes it."""
    assert await data(client, "/api/v1/query", query="1/0") == {"resultType": "scalar", "result": [NOW, "+Inf"]}
    assert (await data(client, "/api/v1/query", query="odd"))["result"][0]["value"] == [NOW, "NaN"]


async def test_a_query_may_be_posted(client: httpx.AsyncClient) -> None:
    """As a form, which is what clients do with long queries."""
    answer = await client.post("/api/v1/query", data={"query": "sum(m) + 1"})
    assert answer.json()["data"]["result"][0]["value"][1] == "11.0"


async def test_a_range_query_yields_a_matrix(client: httpx.AsyncClient) -> None:
    """One value a step, both ends included; the step may be a duration."""
    found = await data(client, "/api/v1/query_range", query="m", start=str(NOW - 4), end=str(NOW), step="2s")
    assert found == {
        "resultType": "matrix",
        "result": [
            {
                "metric": {"__name__": "m", "cluster": "a"},
                "values": [[NOW - 4, "6.0"], [NOW - 2, "8.0"], [NOW, "10.0"]],
            }
        ],
    }


async def test_a_range_query_has_one_start_and_one_end(client: httpx.AsyncClient) -> None:
    """`@ start()` and `@ end()` are those of the whole query at each of its points."""
    times = {"start": str(NOW - 4), "end": str(NOW), "step": "2s"}
    found = await data(client, "/api/v1/query_range", query="m @ end() - m @ start() + 0 * m", **times)
    assert [value for _, value in found["result"][0]["values"]] == ["4.0", "4.0", "4.0"]


@pytest.mark.parametrize(
    ("path", "params", "status", "kind", "message"),
    [
        ("query", {"query": "m >"}, 400, "bad_data", "not valid PromQL"),
        ("query", {}, 400, "bad_data", "no expression found"),
        ("query", {"query": "m", "time": "noon"}, 400, "bad_data", "'noon' is no time"),
        ("query", {"query": "m", "time": "nan"}, 400, "bad_data", "'nan' is no time"),
        ("query", {"query": "m + on() {cluster=~'.*',__name__=~'m|odd'}"}, 422, "execution", "several series"),
        ("query", {"query": "m[5s]"}, 422, "execution", "cannot evaluate a range"),
        ("query_range", {"query": "m"}, 400, "bad_data", '"start"'),
        ("query_range", {"query": "m", "start": "1", "end": "2", "step": "x"}, 400, "bad_data", "'x' is no duration"),
        (
            "query_range",
            {"query": "m", "start": "1", "end": "2", "step": "0"},
            400,
            "bad_data",
            "must yield 1 to 11000",
        ),
        ("query_range", {"query": "m", "start": "2", "end": "1", "step": "1"}, 400, "bad_data", "must yield"),
        (
            "query_range",
            {"query": "max_over_time(m[5m:1s])", "start": "0", "end": "1000", "step": "1"},
            400,
            "bad_data",
            "1001 points of 302 evaluations are more than 100000; take a longer step",
        ),
        ("query_range", {"query": "m", "start": "0", "end": "1e6", "step": "1"}, 400, "bad_data", "must yield"),
    ],
)
async def test_errors_are_prometheus_errors(
    client: httpx.AsyncClient, path: str, params: dict[str, str], status: int, kind: str, message: str
) -> None:
    """Clients know the status and the type."""
    answer = await client.get(f"/api/v1/{path}", params=params)
    body = answer.json()
    assert (answer.status_code, body["status"], body["errorType"]) == (status, "error", kind)
    assert message in body["error"]


async def test_a_huge_form_is_refused(client: httpx.AsyncClient) -> None:
    """Before it is read to its end."""
    answer = await client.post("/api/v1/query", content=b"query=" + b"m" * 100_000)
    assert answer.status_code == 400


async def test_the_role_shows_itself(client: httpx.AsyncClient) -> None:
    """Targets, rules, build, health, and its own metrics."""
    assert (await data(client, "/api/v1/targets"))["activeTargets"][0]["health"] == "up"
    assert (await data(client, "/api/v1/rules"))["groups"][0]["name"] == "f.yaml"
    assert (await data(client, "/api/v1/status/buildinfo"))["application"] == "opsbot watch"
    assert (await client.get("/-/healthy")).text == "ok\n"
    assert (await client.get("/metrics")).text == "opsbot_watch_targets_up 1.0\n"
