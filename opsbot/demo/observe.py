"""What the demo can see: only what any outsider could, over HTTP.

The server's metrics, control API and completions; core's incident API; the workspace through Slack's own Web API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class ServerNumbers:
    """One reading of the server's metrics.

    Args:
        running, waiting: requests.
        kv_usage: 0 to 1.
        preemptions: sequences preempted since the server started.
        ttft_sum_s, ttft_count: of the time-to-first-token histogram, since the server started.
        generated_tokens, requests_ended: since the server started, however a request ended.
        batch_limit: the largest number of running sequences in force.
    """

    running: float
    waiting: float
    kv_usage: float
    preemptions: float
    ttft_sum_s: float
    ttft_count: float
    generated_tokens: float
    requests_ended: float
    batch_limit: float


class Observer:
    """Reads the three public interfaces; every method raises httpx.HTTPError when the other side does not answer."""

    def __init__(self, server_url: str, core_url: str, slack_url: str, tokens: Mapping[str, str]) -> None:
        self._http = httpx.AsyncClient(timeout=10.0, trust_env=False)
        self._server_url = server_url
        self._core_url = core_url
        self._slack_url = slack_url
        self._tokens = tokens

    async def close(self) -> None:
        await self._http.aclose()

    async def is_up(self, url: str) -> bool:
        """Whether *url* answers with success."""
        try:
            return (await self._http.get(url, timeout=2.0)).is_success
        except httpx.HTTPError:
            return False

    async def ask_model(self, question: str) -> str:
        """One real chat completion, greedy."""
        models = (await self._http.get(f"{self._server_url}/v1/models")).json()
        answer = await self._http.post(
            f"{self._server_url}/v1/chat/completions",
            json={
                "model": models["data"][0]["id"],
                "messages": [{"role": "user", "content": question}],
                "max_tokens": 32,
                "temperature": 0,
            },
            timeout=60.0,
        )
        answer.raise_for_status()
        return str(answer.json()["choices"][0]["message"]["content"]).strip()

    async def numbers(self) -> ServerNumbers:
        """The server's metrics now."""
        answer = await self._http.get(f"{self._server_url}/metrics")
        answer.raise_for_status()
        totals: dict[str, float] = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
        return ServerNumbers(
            running=totals["vllm:num_requests_running"],
            waiting=totals["vllm:num_requests_waiting"],
            kv_usage=totals["vllm:kv_cache_usage_perc"],
            preemptions=totals["vllm:num_preemptions_total"],
            ttft_sum_s=totals["vllm:time_to_first_token_seconds_sum"],
            ttft_count=totals["vllm:time_to_first_token_seconds_count"],
            generated_tokens=totals["vllm:generation_tokens_total"],
            requests_ended=totals["vllm:request_success_total"],
            batch_limit=totals["serving_batch_limit"],
        )

    async def batch_knob(self) -> Mapping[str, Any]:
        """The batch limit's base, value in force and live leases, from the control API."""
        answer = await self._http.get(
            f"{self._server_url}/control/v1/knobs",
            headers={"Authorization": f"Bearer {self._tokens['control']}"},
        )
        answer.raise_for_status()
        return next(knob for knob in answer.json()["knobs"] if knob["knob"] == "batch_limit")

    async def incidents(self) -> list[Mapping[str, Any]]:
        """Every incident that core knows, resolved ones too, newest first."""
        answer = await self._http.get(
            f"{self._core_url}/api/v1/incidents",
            params={"state": "all"},
            headers={"Authorization": f"Bearer {self._tokens['api']}"},
        )
        answer.raise_for_status()
        found: list[Mapping[str, Any]] = answer.json()["incidents"]
        return found

    async def messages(self, channel: str) -> list[Mapping[str, Any]]:
        """The top-level messages of a channel, by Slack's Web API, newest first."""
        listed = await self._slack("conversations.list", {})
        channel_id = next(c["id"] for c in listed["channels"] if c["name"] == channel)
        history = await self._slack(
            "conversations.history", {"channel": channel_id, "limit": "100", "include_all_metadata": "1"}
        )
        found: list[Mapping[str, Any]] = history["messages"]
        return found

    async def _slack(self, method: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
        answer = await self._http.get(
            f"{self._slack_url}/api/{method}",
            params=dict(arguments),
            headers={"Authorization": f"Bearer {self._tokens['bot']}"},
        )
        answer.raise_for_status()
        body: Mapping[str, Any] = answer.json()
        return body
