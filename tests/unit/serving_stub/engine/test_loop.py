"""The engine's thread seen from asyncio: streaming, cancelling, refusing, resizing and dying."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from serving_stub.engine.engine import Engine
from serving_stub.engine.interface import GenerationRequest, RequestRefused, TokenChunk
from serving_stub.engine.loop import EngineLoop
from serving_stub.engine.scheduler import Schedule
from serving_stub.engine.sequence import Sequence
from tests.support.tiny_engine import Recorder, answer_all, request, tiny_engine, tokens

Start = Callable[[Engine], EngineLoop]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts loops that end with the test."""
    started: list[EngineLoop] = []
    before = set(threading.enumerate())

    def start_one(engine: Engine) -> EngineLoop:
        loop = EngineLoop(engine)
        started.append(loop)
        loop.start()
        return loop

    yield start_one
    for loop in started:
        loop.stop()
    assert "engine" not in [thread.name for thread in set(threading.enumerate()) - before]


class BrokenRunner:
    """Computes nothing and says so."""

    def reset(self) -> None:
        """Nothing is kept."""

    def run(self, step: Schedule) -> list[tuple[Sequence, int | None]]:
        raise OSError("the device is gone")


async def collect(loop: EngineLoop, one: GenerationRequest) -> list[TokenChunk]:
    return [chunk async for chunk in loop.generate(one)]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the engine's thread has made *condition* true."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  (the other side is a thread)
            await asyncio.sleep(0.001)


async def test_answers_stream_side_by_side(start: Start) -> None:
    """Several callers get the tokens that each would get alone."""
    asked = [request(str(i), f"prompt {i}", max_tokens=10) for i in range(5)]
    loop = start(tiny_engine())
    answers = await asyncio.gather(*(collect(loop, one) for one in asked))
    for one, chunks in zip(asked, answers, strict=True):
        assert tokens(chunks) == tokens(answer_all(tiny_engine(), [one])[one.request_id])
        assert [chunk.finish_reason for chunk in chunks] == [None] * 9 + ["length"]


async def test_a_brief_answer_is_its_first_chunk_and_its_last(start: Start) -> None:
    """Nothing between is handed over; the count is that of the whole answer."""
    loop = start(tiny_engine())
    brief = [chunk async for chunk in loop.generate(request("a", "hello", max_tokens=9), is_brief=True)]
    assert [(chunk.num_generated_tokens, chunk.finish_reason) for chunk in brief] == [(1, None), (9, "length")]
    only = [chunk async for chunk in loop.generate(request("b", "hello", max_tokens=1), is_brief=True)]
    assert [(chunk.num_generated_tokens, chunk.finish_reason) for chunk in only] == [(1, "length")]


async def test_closing_the_stream_cancels_the_request(start: Start) -> None:
    """A caller who leaves frees the blocks and the place in the batch."""
    recorder = Recorder()
    engine = tiny_engine()
    engine.observer = recorder
    loop = start(engine)
    chunks = loop.generate(request("a", "x", max_tokens=900))
    await anext(chunks)
    await chunks.aclose()
    await until(lambda: loop.stats().num_running == 0)
    assert loop.stats().kv_cache_usage == 0.0
    assert [record.finish_reason for record in recorder.finished] == ["abort"]


async def test_cancelling_the_task_cancels_the_request(start: Start) -> None:
    """A cancelled task counts as a caller who left."""
    loop = start(tiny_engine())
    task = asyncio.create_task(collect(loop, request("a", "x", max_tokens=900)))
    await until(lambda: loop.stats().num_running == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: loop.stats().num_running == 0)


async def test_a_refusal_reaches_its_caller_only(start: Start) -> None:
    """A request that can never be served is refused, and the engine goes on."""
    loop = start(tiny_engine())
    with pytest.raises(RequestRefused, match="the prompt is empty"):
        await collect(loop, request("a", []))
    assert len(await collect(loop, request("b", "x"))) == 8


async def test_an_id_in_use_is_refused_and_its_owner_keeps_it(start: Start) -> None:
    """The second request of a name is refused; the first is answered to its end."""
    loop = start(tiny_engine())
    first = loop.generate(request("a", "x", max_tokens=300))
    await anext(first)
    with pytest.raises(RequestRefused, match="request id a is in use"):
        await collect(loop, request("a", "y"))
    assert [chunk async for chunk in first][-1].num_generated_tokens == 300


async def test_a_resize_takes_effect_before_the_next_step(start: Start) -> None:
    """A smaller limit with preempt leaves that many running, and everyone is still answered."""
    loop = start(tiny_engine())
    tasks = [asyncio.create_task(collect(loop, request(str(i), "x", max_tokens=200))) for i in range(6)]
    await until(lambda: loop.stats().num_running == 6)
    loop.set_batch_limit(2, "preempt")
    await until(lambda: loop.stats().batch_limit == 2)
    assert loop.stats().num_running <= 2
    assert [len(tokens(chunks)) for chunks in await asyncio.gather(*tasks)] == [200] * 6


async def test_a_limit_set_before_the_start_holds(start: Start) -> None:
    """What was asked for before the thread runs is not lost."""
    loop = EngineLoop(tiny_engine())
    loop.set_batch_limit(3, "finish")
    loop.start()
    await until(lambda: loop.stats().batch_limit == 3)
    loop.stop()


async def test_a_broken_engine_ends_everything_with_an_error(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever waits is told, whoever asks while it is down too, and the engine says that it is dead."""
    loop = start(tiny_engine(runner=BrokenRunner()))
    with caplog.at_level(logging.ERROR):
        answers = await asyncio.gather(*(collect(loop, request(name, "secret")) for name in "ab"))
    assert [[chunk.finish_reason for chunk in chunks] for chunks in answers] == [["crash"], ["crash"]]
    assert not loop.stats().is_alive
    assert [chunk.finish_reason for chunk in await collect(loop, request("c", "x"))] == ["crash"]
    assert "the device is gone" in caplog.text
    assert "secret" not in caplog.text


async def test_a_dead_engine_is_started_again(start: Start) -> None:
    """With an empty pool and the limits that were in force; what comes then gets the tokens it always gets."""
    (alone,) = answer_all(tiny_engine(), [request("a", "hello")]).values()
    engine = tiny_engine()
    loop = start(engine)
    loop.set_batch_limit(3, "finish")
    loop.set_lost_blocks(5)
    running = asyncio.create_task(collect(loop, request("a", "hello" * 20, max_tokens=900)))
    await until(lambda: loop.stats().num_running == 1)
    loop.set_crash_every(3600)
    assert (await running)[-1].finish_reason == "crash"
    await until(lambda: loop.stats().is_alive)
    stats = loop.stats()
    assert (stats.num_restarts, stats.batch_limit, stats.num_running) == (1, 3, 0)
    assert stats.num_free_blocks == stats.num_blocks - 5
    assert tokens(await collect(loop, request("a", "hello"))) == tokens(alone)


async def test_an_engine_that_dies_at_once_is_started_less_and_less_often(start: Start) -> None:
    """A wait that doubles, so that a broken device is not asked for ever at full speed; a stop still ends it soon."""
    loop = start(tiny_engine())
    loop.set_crash_every(0.001)
    await asyncio.sleep(2.2)
    assert loop.stats().num_restarts <= 2
    began = time.monotonic()
    loop.stop()
    assert time.monotonic() - began < 1.0


async def test_stopping_ends_what_runs_with_an_abort(start: Start) -> None:
    """A planned stop is not an error."""
    loop = start(tiny_engine())
    task = asyncio.create_task(collect(loop, request("a", "x", max_tokens=900)))
    await until(lambda: loop.stats().num_running == 1)
    await asyncio.to_thread(loop.stop)
    assert (await task)[-1].finish_reason == "abort"
    assert not loop.stats().is_alive


async def test_stopping_ends_what_the_thread_has_not_seen_yet() -> None:
    """A request that came in last, while the engine was told to stop, is not forgotten."""
    loop = EngineLoop(tiny_engine())
    task = asyncio.create_task(collect(loop, request("a", "x")))
    await asyncio.sleep(0)
    loop.stop()
    loop.start()
    assert [chunk.finish_reason for chunk in await asyncio.wait_for(task, 10)] == ["abort"]


async def test_an_idle_engine_sleeps(start: Start) -> None:
    """Without work no step is taken and no processor time is spent."""
    recorder = Recorder()
    engine = tiny_engine()
    engine.observer = recorder
    loop = start(engine)
    await collect(loop, request("a", "x"))
    steps = len(recorder.steps)
    await asyncio.sleep(0.1)  # torch's own threads may spin for a moment after their last product
    used_s = time.process_time()
    await asyncio.sleep(0.3)
    assert time.process_time() - used_s < 0.15
    assert len(recorder.steps) == steps == 8


async def test_a_stopped_loop_answers_at_once(start: Start) -> None:
    """After the end nobody waits for ever."""
    loop = start(tiny_engine())
    loop.stop()
    assert [chunk.finish_reason for chunk in await collect(loop, request("a", "x"))] == ["crash"]


async def test_a_restart_that_was_asked_for_counts_as_no_death(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever is in it is told so, the pool is empty, the limits hold, and the next request gets its usual tokens."""
    (alone,) = answer_all(tiny_engine(), [request("a", "hello")]).values()
    loop = start(tiny_engine())
    loop.set_batch_limit(3, "finish")
    running = asyncio.create_task(collect(loop, request("a", "hello" * 20, max_tokens=900)))
    await until(lambda: loop.stats().num_running == 1)
    with caplog.at_level(logging.ERROR):
        assert await asyncio.to_thread(loop.restart)
    assert (await running)[-1].finish_reason == "restart"
    stats = loop.stats()
    assert (stats.is_alive, stats.num_restarts, stats.batch_limit, stats.kv_cache_usage) == (True, 0, 3, 0.0)
    assert tokens(await collect(loop, request("a", "hello"))) == tokens(alone)
    assert caplog.text == ""


async def test_an_idle_or_stalled_engine_is_restarted_at_once(start: Start) -> None:
    """Nobody has to wake it."""
    loop = start(tiny_engine())
    began = time.monotonic()
    assert await asyncio.to_thread(loop.restart)
    loop.set_stalled(is_stalled=True)
    assert await asyncio.to_thread(loop.restart)
    assert time.monotonic() - began < 0.4


async def test_a_dead_engine_that_is_asked_to_restart_does_not_wait_any_longer(start: Start) -> None:
    """Somebody who asks knows better than the pause after a death."""
    loop = start(tiny_engine())
    loop.set_crash_every(3600)
    await until(lambda: not loop.stats().is_alive)
    began = time.monotonic()
    assert await asyncio.to_thread(loop.restart)
    assert time.monotonic() - began < 0.3
    assert loop.stats().is_alive


async def test_several_who_ask_are_all_answered(start: Start) -> None:
    """However their wishes fall together."""
    loop = start(tiny_engine())
    assert await asyncio.gather(*(asyncio.to_thread(loop.restart) for _ in range(5))) == [True] * 5
    assert len(await collect(loop, request("a", "x"))) == 8


async def test_a_restart_of_a_stopped_engine_does_not_happen(start: Start) -> None:
    """It says so instead of waiting for ever."""
    loop = start(tiny_engine())
    loop.stop()
    assert not loop.restart(5.0)
