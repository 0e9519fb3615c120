"""`loadtest.run` against a real server: open loop, counted by what became of each request, ended when cancelled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsbot.action.loadtest import LoadArguments, LoadtestRun, percentile
from opsbot.action_settings import LoadtestSection
from opsbot.clock import SystemClock
from opsbot.errors import ActionError
from tests.support.door import grant, tenants_file
from tests.support.lease_actions import context
from tests.support.raw_upstream import Peer, raw_upstream
from tests.support.serving_server import CONTROL, ServingServer, serving

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """A server with the tiny model that wants a key."""
    folder: Path = tmp_path_factory.mktemp("server")
    tenants = tenants_file(folder, {"sk-load": "paid"}, classes=[{"name": "paid"}])
    with serving(folder / "leases.jsonl", "--tenants", tenants) as running:
        yield running


def loading(url: str, section: LoadtestSection | None = None) -> LoadtestRun:
    """The action, with that door of the cluster `east`."""
    section = section or LoadtestSection(api_key_env="KEY")
    return LoadtestRun({"east": url}, section, SystemClock(), environ={"KEY": "sk-load"})


def arguments(requests_per_s: float = 10, duration_s: float = 1.0) -> LoadArguments:
    """A short load."""
    return LoadArguments(requests_per_s=requests_per_s, duration=duration_s, max_tokens=4, cluster="east")


async def test_it_measures_a_server_that_answers(server: ServingServer) -> None:
    """As many as asked for, spread over the time, each with its first token."""
    began = time.monotonic()
    outcome = await loading(server.url).act(arguments(), context())
    assert time.monotonic() - began >= 0.9
    outputs = dict(outcome.outputs)
    assert LoadtestRun.outputs.model_validate(outputs)
    assert {name: outputs[name] for name in ("sent", "ok", "shed", "failed", "skipped")} == {
        "sent": 10,
        "ok": 10,
        "shed": 0,
        "failed": 0,
        "skipped": 0,
    }
    assert 0 < outputs["ttft_p50_s"] <= outputs["ttft_p95_s"] < 30
    assert outcome.text.startswith("Load on east: 10 sent, 10 answered, 0 turned away, 0 failed; first token within")


async def test_who_is_turned_away_is_counted_as_such(server: ServingServer) -> None:
    """A shed is the door's answer, and no failure."""
    lease = grant(server, "failwhale", {}, on_end="release")
    outcome = await loading(server.url).act(arguments(), context())
    with server.client() as http:
        http.delete(f"/control/v1/leases/{lease['lease_id']}", headers=CONTROL).raise_for_status()
    assert (outcome.outputs["shed"], outcome.outputs["ok"], outcome.outputs["ttft_p50_s"]) == (10, 0, None)


async def test_a_wrong_key_is_a_failure(server: ServingServer) -> None:
    """401 means that nothing was measured."""
    section = LoadtestSection(api_key_env="KEY")
    action = LoadtestRun({"east": server.url}, section, SystemClock(), environ={"KEY": "sk-wrong"})
    assert (await action.act(arguments(), context())).outputs["failed"] == 10


async def test_a_server_that_hangs_does_not_slow_the_arrivals() -> None:
    """The loop is open: requests leave in time whether or not earlier ones were answered; a cancel ends all at once."""

    async def hang(peer: Peer) -> None:
        await peer.until_gone()

    async with raw_upstream() as upstream:
        upstream.handler = hang
        task = asyncio.create_task(loading(upstream.url).act(arguments(20, 60.0), context()))
        async with asyncio.timeout(20):
            while len(upstream.requests) < 20:  # noqa: ASYNC110 - the other side is a server
                await asyncio.sleep(0.01)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 2
        async with asyncio.timeout(5):
            while upstream.num_open:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_broken_streams_are_failures() -> None:
    """An error event, a stream that is cut, and one without an end."""
    ends = [b'data: {"error": {"message": "no"}}\n\n', b"", b"data: {}\n\n", b"data: <html>\n\n"]

    async def break_off(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        end = ends[len(upstream.requests) % 4]
        if end:
            await peer.chunk(end)
            await peer.finish()
        else:
            peer.reset()

    async with raw_upstream() as upstream:
        upstream.handler = break_off
        outcome = await loading(upstream.url).act(arguments(20, 0.4), context())
    assert (outcome.outputs["sent"], outcome.outputs["failed"], outcome.outputs["ok"]) == (8, 8, 0)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"requests_per_s": 21}, "requests_per_s is 21, at most 20"),
        ({"duration_s": 301.0}, "duration is 5m1s, at most 5m"),
    ],
)
async def test_more_than_is_allowed_is_refused(more: dict[str, float], says: str) -> None:
    """Before anybody is asked to approve it."""
    with pytest.raises(ActionError, match=says):
        await loading("http://127.0.0.1:9").prior(arguments(**more))


async def test_a_cluster_without_a_door_is_refused() -> None:
    """With those that are known."""
    load = LoadArguments(requests_per_s=1, duration=1.0, cluster="west")
    with pytest.raises(ActionError, match="no cluster 'west' is configured under `serving`; known are: east"):
        await loading("http://127.0.0.1:9").prior(load)


def test_percentiles_are_nearest_ranks() -> None:
    """Of what was measured; none without anything."""
    assert percentile([], 0.5) is None
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(number) for number in range(1, 101)], 0.95) == 95.0
