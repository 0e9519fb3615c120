"""Deadlines: who cannot get a first token in time is told so at once, and whoever has one keeps going."""

from __future__ import annotations

from dataclasses import replace

from serving_stub.engine.engine import Engine
from tests.support.tiny_engine import FAST_LINK, TINY, Recorder, request, tiny_model, tiny_tokenizer, torch_runner


class Time:
    """A clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def engine(time: Time, **changes: int) -> Engine:
    """The tiny engine on that clock."""
    config = replace(TINY, **changes)  # type: ignore[arg-type]
    model, _ = tiny_model("tiny", "fp32")
    return Engine(
        config, model.config, torch_runner(model, config), tiny_tokenizer(), Recorder(), time, device=FAST_LINK
    )


def test_a_request_that_waited_too_long_ends() -> None:
    """Its blocks and its place are free, it is counted once, and the one before it goes on."""
    time = Time()
    e = engine(time, max_num_seqs=1)
    e.add(request("first", "hello", max_tokens=4))
    e.add(replace(request("late", "world"), deadline_s=5.0))
    e.step()
    time.now += 5.0
    chunks = dict(e.step())
    assert chunks["late"].finish_reason == "deadline"
    assert chunks["first"].finish_reason is None
    while e.has_work:
        e.step()
    assert isinstance(e.observer, Recorder)
    assert [record.finish_reason for record in e.observer.finished] == ["deadline", "length"]
    assert e.stats(is_alive=True).num_free_blocks == TINY.num_blocks


def test_a_first_token_ends_the_deadline() -> None:
    """A deadline is about the first token; a long answer may take its time."""
    time = Time()
    e = engine(time)
    e.add(replace(request("r", "hello", max_tokens=4), deadline_s=5.0))
    e.step()
    time.now += 60.0
    chunks = dict(e.step())
    assert chunks["r"].finish_reason is None


def test_a_cancelled_request_has_no_deadline_left() -> None:
    """Nothing is said of somebody who has gone."""
    time = Time()
    e = engine(time, max_num_seqs=1)
    e.add(request("first", "hello"))
    e.add(replace(request("gone", "world"), deadline_s=5.0))
    e.cancel("gone")
    time.now += 10.0
    assert [request_id for request_id, _ in e.step()] == ["first"]
