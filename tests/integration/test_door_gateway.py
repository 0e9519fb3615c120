"""`python -m serving_stub --upstream`: the door in front of a second instance of our own server, both as processes."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.door import CHAT, TEXT, ask, code_of, counted, door_file, events_of, fly, is_whole, leased
from tests.support.serving_server import ServingServer, serving
from tests.support.waiting import until_sync

pytestmark = pytest.mark.integration

HELLO = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8, "temperature": 0, "ignore_eos": True}


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """The second instance."""
    with serving(tmp_path_factory.mktemp("upstream") / "leases.jsonl") as running:
        yield running


@pytest.fixture(scope="module")
def gateway(upstream: ServingServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """The gateway before it."""
    folder = tmp_path_factory.mktemp("gateway")
    with serving(folder / "leases.jsonl", "--upstream", upstream.url, "--door", door_file(folder)) as running:
        yield running


def test_streams_and_answers_are_the_upstreams(gateway: ServingServer, upstream: ServingServer) -> None:
    """Word for word, whole and in pieces."""
    expected = ask(upstream, HELLO, path=CHAT).json()["choices"]
    assert ask(gateway, HELLO, path=CHAT).json()["choices"] == expected
    streamed = ask(gateway, {**HELLO, "stream": True}, path=CHAT).text
    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events_of(streamed))
    assert text == expected[0]["message"]["content"]
    assert streamed.rstrip().endswith("data: [DONE]")


def test_the_failwhale_stands_before_the_upstream(gateway: ServingServer, upstream: ServingServer) -> None:
    """New requests are turned away, a stream in flight finishes, and the upstream itself is untouched."""
    flight = fly(gateway, 600)
    with leased(gateway, "failwhale", {}):
        assert code_of(ask(gateway)) == "failwhale"
        assert ask(upstream).status_code == 200
        assert httpx.get(f"{gateway.url}/health", trust_env=False).status_code == 200
        assert is_whole(flight)
    assert ask(gateway).status_code == 200


def test_the_upstreams_metrics_are_shown_beside_the_doors(gateway: ServingServer) -> None:
    """One exposition for both."""
    ask(gateway)
    assert counted(gateway, "serving_upstream_up") == 1
    assert counted(gateway, "frontdoor_requests_total") > 0
    assert counted(gateway, "vllm:generation_tokens_total") > 0


def test_a_dead_upstream_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its kill is a typed 503 for callers and an unhealthy gateway for balancers; the gateway itself stays up."""
    folder = tmp_path_factory.mktemp("dead")
    with (
        serving(folder / "upstream.jsonl") as behind,
        serving(folder / "leases.jsonl", "--upstream", behind.url) as front,
    ):
        assert ask(front).status_code == 200
        behind.kill()
        refused = ask(front, path=TEXT)
        assert (refused.status_code, code_of(refused)) == (503, "upstream_unreachable")
        assert refused.headers["retry-after"] == "5"
        until_sync(lambda: httpx.get(f"{front.url}/health", trust_env=False).status_code == 503)
        assert counted(front, "serving_upstream_up") == 0
