"""Health, metrics and version."""

from __future__ import annotations

import httpx
import pytest


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5",
    ],
    ids=["any", "openmetrics", "prometheus-3"],
)
async def test_metrics_are_plain_text_with_colons(client: httpx.AsyncClient, accept: str) -> None:
    """Whatever a scraper accepts, sample names keep the colon that rules ask for."""
    answer = await client.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert '\nvllm:num_requests_running{engine="0",model_name="tiny"} ' in answer.text
    assert "vllm_" not in answer.text


async def test_a_request_shows_in_the_metrics(client: httpx.AsyncClient) -> None:
    """Tokens of a request are counted by the time it is answered."""

    async def generated() -> float:
        lines = (await client.get("/metrics")).text.splitlines()
        return float(next(line for line in lines if line.startswith("vllm:generation_tokens_total")).split()[-1])

    before = await generated()
    await client.post("/v1/completions", json={"prompt": "a", "max_tokens": 5, "ignore_eos": True})
    assert await generated() == before + 5


async def test_a_living_server_is_healthy(client: httpx.AsyncClient) -> None:
    """Health is 200 with nothing in it."""
    answer = await client.get("/health")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_the_version_is_the_packages(client: httpx.AsyncClient) -> None:
    """The version has the form of a release."""
    assert (await client.get("/version")).json()["version"].count(".") == 2
