"""The request log before a real sink that is down, slow, full or broken, and comes back."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opsbot.clock import SystemClock
from opsbot.events.role import EventsRole
from opsbot.web.tokens import Tokens
from serving_stub.errors import SettingError
from serving_stub.frontdoor.event import EventText, RequestEvent, Signup, SignupEvent
from serving_stub.frontdoor.log_sink import FileSink, HttpSink, Sink
from serving_stub.frontdoor.request_log import DropReason, LogSettings, RequestLog
from tests.support.ports import free_port
from tests.support.waiting import until
from tests.support.watching import served

pytestmark = pytest.mark.integration

QUICK = LogSettings(batch_events=10, max_age_s=0.02, first_backoff_s=0.01, max_backoff_s=0.05)
TOKEN = "sink-token"


def event(number: int, **more: object) -> RequestEvent:
    """An event whose id is its number."""
    return RequestEvent(
        event_id=f"e-{number}",
        ts=1790000000.0,
        endpoint="completions",
        status=200,
        org="acme",
        **more,  # type: ignore[arg-type]
    )


class RealSink:
    """A sink whose `answer` the test sets; `ids` are those it took, copies included."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.sizes: list[int] = []
        self.status = 200
        self.delay_s = 0.0
        self.most_events = 1000
        self.poison: str | None = None
        self.headers: list[str] = []

    def app(self) -> Starlette:
        """Its routes."""

        async def accept(request: Request) -> Response:
            events = (await request.json())["events"]
            self.headers.append(request.headers["authorization"])
            self.sizes.append(len(events))
            await asyncio.sleep(self.delay_s)
            if len(events) > self.most_events:
                return Response(status_code=413)
            ids = [one["event_id"] for one in events]
            if self.poison in ids:
                return Response(status_code=400)
            if self.status == 200:
                self.ids += ids
            return JSONResponse({"accepted": len(ids), "rejected": []}, self.status, {"retry-after": "0"})

        return Starlette(routes=[Route("/events", accept, methods=["POST"])])


@asynccontextmanager
async def log_to(sink: Sink, settings: LogSettings = QUICK, limit_s: float = 5.0) -> AsyncIterator[RequestLog]:
    """A running log, closed at the end."""
    log = RequestLog(sink, settings, random.Random(0))
    running = asyncio.create_task(log.run())
    try:
        yield log
    finally:
        await log.close(running, limit_s)


def accounts_for_all(log: RequestLog, got: list[str], num_put: int) -> bool:
    """Whether each event that the sink has not got was counted as dropped."""
    dropped = sum(log.counts.dropped.values())
    return (
        log.counts.put == num_put and len(set(got)) + dropped >= num_put and log.counts.delivered + dropped == num_put
    )


async def test_events_arrive_in_batches() -> None:
    """Full ones at once, the last when it is old enough; in order, with the token."""
    sink = RealSink()
    async with served(sink.app()) as url, log_to(HttpSink(f"{url}/events", TOKEN)) as log:
        for number in range(25):
            log.put(event(number))
        await until(lambda: log.counts.delivered == 25)
        assert sink.sizes == [10, 10, 5]
        assert sink.ids == [f"e-{number}" for number in range(25)]
        assert set(sink.headers) == {f"Bearer {TOKEN}"}
        assert (log.num_buffered, log.num_buffered_bytes) == (0, 0)


@pytest.mark.parametrize("status", [500, 503, 429, 401, 404])
async def test_a_sink_that_does_not_take_events_gets_them_later(status: int) -> None:
    """Nothing is lost, and memory holds what waits."""
    sink = RealSink()
    sink.status = status
    async with served(sink.app()) as url, log_to(HttpSink(f"{url}/events", TOKEN)) as log:
        for number in range(30):
            log.put(event(number))
        await until(lambda: log.counts.failed_batches >= 3)
        assert (log.num_buffered, log.is_sink_up, sink.ids) == (30, False, [])
        sink.status = 200
        await until(lambda: log.counts.delivered == 30)
        assert log.is_sink_up
        assert sink.ids == [f"e-{number}" for number in range(30)]


async def test_a_sink_that_is_down_costs_bounded_memory() -> None:
    """The oldest are dropped and counted; what was kept arrives when the sink is there."""
    port = free_port()
    settings = QUICK.model_copy(update={"max_events": 100})
    async with log_to(HttpSink(f"http://127.0.0.1:{port}/events", TOKEN), settings) as log:
        for number in range(1000):
            log.put(event(number))
            if number % 100 == 0:
                await asyncio.sleep(0.005)
            assert log.num_buffered <= 100
        assert log.counts.dropped[DropReason.BUFFER_FULL] == 900
        sink = RealSink()
        async with served(sink.app(), port):
            await until(lambda: log.counts.delivered == 100)
        # The ten that were on their way just then are older.
        assert {f"e-{number}" for number in range(910, 1000)} <= set(sink.ids)
        assert accounts_for_all(log, sink.ids, 1000)


async def test_bytes_are_bounded_too() -> None:
    """Large events make room by their size."""
    settings = QUICK.model_copy(update={"max_bytes": 20_000, "max_event_bytes": 5_000})
    async with log_to(HttpSink(f"http://127.0.0.1:{free_port()}/events", TOKEN), settings, limit_s=0.0) as log:
        for number in range(100):
            log.put(event(number, text=EventText("x" * 2000)))
            assert log.num_buffered_bytes <= 20_000
        log.put(event(100, text=EventText("x" * 6000)))
    assert log.counts.dropped[DropReason.TOO_LARGE] == 1
    assert sum(log.counts.dropped.values()) == 101


async def test_a_slow_sink_holds_nobody_up() -> None:
    """`put` returns at once while a batch is on its way; an answer that comes too late counts as none."""
    sink = RealSink()
    sink.delay_s = 0.3
    async with served(sink.app()) as url, log_to(HttpSink(f"{url}/events", TOKEN, timeout_s=0.1)) as log:
        for number in range(20):
            log.put(event(number))
        await until(lambda: log.counts.failed_batches >= 1)
        sink.delay_s = 0.0
        await until(lambda: log.counts.delivered == 20)
        assert set(sink.ids) == {f"e-{number}" for number in range(20)}


async def test_a_batch_that_is_too_large_is_sent_in_parts() -> None:
    """`413` halves it until the sink takes it; an event that is too large alone is dropped."""
    sink = RealSink()
    sink.most_events = 3
    async with served(sink.app()) as url, log_to(HttpSink(f"{url}/events", TOKEN)) as log:
        for number in range(20):
            log.put(event(number))
        await until(lambda: log.counts.delivered == 20)
        assert sink.ids == [f"e-{number}" for number in range(20)]
        sink.most_events = 0
        log.put(event(20))
        await until(lambda: log.counts.dropped[DropReason.TOO_LARGE] == 1)


async def test_an_event_that_spoils_its_batch_is_found() -> None:
    """`400` for the batch costs that event only."""
    sink = RealSink()
    sink.poison = "e-13"
    async with served(sink.app()) as url, log_to(HttpSink(f"{url}/events", TOKEN)) as log:
        for number in range(20):
            log.put(event(number))
        await until(lambda: log.counts.delivered == 19)
        assert log.counts.dropped[DropReason.REJECTED] == 1
        assert set(sink.ids) == {f"e-{number}" for number in range(20)} - {"e-13"}


async def test_a_stop_delivers_what_there_is() -> None:
    """Without waiting for a batch to fill."""
    sink = RealSink()
    settings = QUICK.model_copy(update={"max_age_s": 60.0})
    async with served(sink.app()) as url:
        async with log_to(HttpSink(f"{url}/events", TOKEN), settings) as log:
            log.put(event(1))
            await asyncio.sleep(0)
        assert sink.ids == ["e-1"]
        assert log.counts.dropped[DropReason.SHUTDOWN] == 0


@pytest.mark.parametrize("hang_s", [None, 30.0], ids=["a sink that is down", "a sink that hangs"])
async def test_a_stop_takes_no_longer_than_it_may(hang_s: float | None) -> None:
    """What could not be delivered is counted."""
    sink = RealSink()
    sink.delay_s = hang_s or 0.0
    loop = asyncio.get_running_loop()
    async with served(sink.app()) as url:
        target = url if hang_s else f"http://127.0.0.1:{free_port()}"
        log = RequestLog(HttpSink(f"{target}/events", TOKEN), QUICK)
        running = asyncio.create_task(log.run())
        for number in range(15):
            log.put(event(number))
        await asyncio.sleep(0.05)
        began = loop.time()
        await log.close(running, 0.2)
        assert loop.time() - began < 1.0
    assert log.counts.dropped[DropReason.SHUTDOWN] == 15


async def test_an_event_that_cannot_be_written_harms_nobody() -> None:
    """Half a surrogate pair is no UTF-8; the event is counted and the next one arrives."""
    sink = RealSink()
    async with served(sink.app()) as url, log_to(HttpSink(f"{url}/events", TOKEN)) as log:
        log.put(event(1, model="\ud800"))
        log.put(event(2))
        await until(lambda: log.counts.delivered == 1)
        assert log.counts.dropped[DropReason.NOT_ENCODABLE] == 1
        assert sink.ids == ["e-2"]


async def test_the_bots_event_door_takes_the_counts(tmp_path: Path) -> None:
    """Where only counts are wanted: twelve fields and no sign-ups; copies are kept once."""
    role = EventsRole(tmp_path / "events.sqlite", Tokens.of(TOKEN, {}), SystemClock())
    async with served(role.app) as url, log_to(HttpSink(f"{url}/events", TOKEN, counts_only=True)) as log:
        for number in (*range(20), 3):
            log.put(event(number))
        log.put(SignupEvent(event_id="s-1", ts=1790000000.0, org="acme", account="a", signup=Signup()))
        await until(lambda: log.counts.delivered == 21)
        assert role.count() == 20
    assert log.counts.put == 21
    role.close()


async def test_what_a_sink_rejects_is_counted_as_dropped(tmp_path: Path) -> None:
    """The bot's door takes the batch, but none of an event whose field cannot be."""
    role = EventsRole(tmp_path / "events.sqlite", Tokens.of(TOKEN, {}), SystemClock())
    async with served(role.app) as url, log_to(HttpSink(f"{url}/events", TOKEN)) as log:
        log.put(event(1, country="Japan"))
        log.put(event(2, country="JP"))
        await until(lambda: log.counts.dropped[DropReason.REJECTED] == 1)
    assert (log.counts.delivered, log.counts.dropped[DropReason.REJECTED]) == (1, 1)
    role.close()


async def test_a_file_gets_one_event_a_line(tmp_path: Path) -> None:
    """It may be moved away at any time, and a folder that is missing for a while loses nothing."""
    folder = tmp_path / "later"
    async with log_to(FileSink(folder / "events.jsonl")) as log:
        log.put(event(1))
        await until(lambda: log.counts.failed_batches >= 1)
        folder.mkdir()
        await until(lambda: log.counts.delivered == 1)
        (folder / "events.jsonl").rename(folder / "old.jsonl")
        log.put(event(2))
        await until(lambda: log.counts.delivered == 2)
    for name, expected in (("old", "e-1"), ("events", "e-2")):
        lines = (folder / f"{name}.jsonl").read_text().splitlines()
        assert [json.loads(line)["event_id"] for line in lines] == [expected]


def test_a_sink_that_is_no_url() -> None:
    """Is told at the start."""
    with pytest.raises(SettingError, match="expected a URL that begins with http"):
        HttpSink("sink.example:80", None)
