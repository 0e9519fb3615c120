"""The engine on the tiny model: refusals, endings, cancellation and what the observer is told."""

from __future__ import annotations

import pytest

from serving_stub.engine.interface import RequestRefused, SamplingParams
from serving_stub.engine.scheduler import Schedule
from serving_stub.engine.sequence import Sequence
from tests.support.tiny_engine import Recorder, answer_all, request, tiny_engine, tiny_tokenizer, tokens


class ScriptedRunner:
    """Answers a fixed text byte by byte, whatever the model would say; None stands for a failed row."""

    def __init__(self, script: list[int | None]) -> None:
        self._script = script

    def reset(self) -> None:
        """Nothing is kept."""

    def run(self, step: Schedule) -> list[tuple[Sequence, int | None]]:
        return [
            (item.seq, self._script[item.seq.num_generated_tokens] if item.seq.request_id == "a" else 40)
            for item in step.work
            if item.is_sampled
        ]


def scripted(text: str, *more: int | None) -> ScriptedRunner:
    return ScriptedRunner([*tiny_tokenizer().encode(text), *more])


@pytest.mark.parametrize(
    ("prompt", "params", "code", "message"),
    [
        ([], SamplingParams(), "empty_prompt", "the prompt is empty"),
        ([5, 259], SamplingParams(), "invalid_token", "token id 259 is outside the vocabulary"),
        ([5, -1], SamplingParams(), "invalid_token", "token id -1"),
        ([5] * 100, SamplingParams(max_tokens=29), "context_length_exceeded", "128 tokens, but 129 were asked"),
        ([5], SamplingParams(max_tokens=0), "invalid_sampling_params", "max_tokens is 0, expected 1 or more"),
        ([5], SamplingParams(temperature=-1), "invalid_sampling_params", "temperature is -1"),
        ([5], SamplingParams(temperature=float("nan")), "invalid_sampling_params", "temperature is nan"),
        ([5], SamplingParams(top_p=0.0), "invalid_sampling_params", "top_p is 0.0"),
        ([5], SamplingParams(top_k=-1), "invalid_sampling_params", "top_k is -1"),
        ([5], SamplingParams(stop=("a", "")), "invalid_sampling_params", "stop is 2, expected"),
    ],
)
def test_what_can_never_be_served_is_refused(
    prompt: list[int], params: SamplingParams, code: str, message: str
) -> None:
    """The refusal names the thing, and nothing is queued."""
    engine = tiny_engine(num_blocks=8)
    with pytest.raises(RequestRefused, match=message) as caught:
        engine.add(request("a", prompt, params))
    assert caught.value.code == code
    assert not engine.has_work


def test_the_window_binds_before_the_pool() -> None:
    """The shorter of window and pool is the limit."""
    engine = tiny_engine(max_model_len=32)
    with pytest.raises(RequestRefused, match="maximum context length is 32 tokens"):
        engine.add(request("a", [5] * 30, max_tokens=3))


def test_an_id_in_use_is_refused() -> None:
    """Two answers under one name could not be told apart; the first goes on."""
    engine = tiny_engine()
    engine.add(request("a", "x"))
    with pytest.raises(RequestRefused, match="request id a is in use"):
        engine.add(request("a", "y"))
    engine.cancel("a")
    engine.add(request("a", "y"))


def test_an_answer_that_fills_the_pool_to_the_last_token_is_served() -> None:
    """Exactly the pool is not too much."""
    chunks = answer_all(tiny_engine(num_blocks=2), [request("a", [5] * 20, max_tokens=12)])
    assert len(tokens(chunks["a"])) == 12
    assert chunks["a"][-1].finish_reason == "length"


def test_the_end_token_stops_and_has_no_text() -> None:
    """The end token is counted but not shown."""
    engine = tiny_engine(runner=scripted("hi", tiny_tokenizer().eos_token_id))
    chunks = answer_all(engine, [request("a", "x", ignore_eos=False)])["a"]
    assert [chunk.text for chunk in chunks] == ["h", "i", ""]
    assert chunks[-1].finish_reason == "stop"
    assert chunks[-1].num_generated_tokens == 3


def test_the_end_token_can_be_ignored() -> None:
    """With ignore_eos the answer runs to max_tokens."""
    engine = tiny_engine(runner=scripted("h", tiny_tokenizer().eos_token_id, *tiny_tokenizer().encode("i!")))
    chunks = answer_all(engine, [request("a", "x", max_tokens=4, ignore_eos=True)])["a"]
    assert "".join(chunk.text for chunk in chunks) == "hi!"
    assert chunks[-1].finish_reason == "length"


def test_a_stop_string_ends_the_answer() -> None:
    """The stop string is not sent and its reason is stop."""
    engine = tiny_engine(runner=scripted("one two three"))
    chunks = answer_all(engine, [request("a", "x", max_tokens=13, stop=(" two",))])["a"]
    assert "".join(chunk.text for chunk in chunks) == "one"
    assert chunks[-1].finish_reason == "stop"


def test_max_tokens_sends_what_a_stop_string_held_back() -> None:
    """Text that looked like a stop string is sent when the answer ends without it."""
    engine = tiny_engine(runner=scripted("one tw"))
    chunks = answer_all(engine, [request("a", "x", max_tokens=6, stop=(" two",))])["a"]
    assert "".join(chunk.text for chunk in chunks) == "one tw"
    assert chunks[-1].finish_reason == "length"


def test_a_failed_row_ends_its_own_request_only() -> None:
    """A request whose logits are no numbers ends with an error; its neighbour is answered."""
    engine = tiny_engine(runner=scripted("h", None))
    chunks = answer_all(engine, [request("a", "x", max_tokens=5), request("b", "y", max_tokens=5)])
    assert [chunk.finish_reason for chunk in chunks["a"]] == [None, "error"]
    assert len(tokens(chunks["b"])) == 5
    assert engine.stats(is_alive=True).kv_cache_usage == 0.0


def test_a_cancelled_request_frees_its_blocks_before_the_next_step() -> None:
    """Running or waiting, nothing of it is left."""
    engine = tiny_engine(max_num_seqs=1)
    engine.add(request("a", "x" * 40))
    engine.add(request("b", "y" * 40))
    engine.step()
    assert engine.stats(is_alive=True).num_waiting == 1
    engine.cancel("a")
    engine.cancel("b")
    engine.cancel("unknown")
    stats = engine.stats(is_alive=True)
    assert (stats.num_running, stats.num_waiting, stats.num_free_blocks) == (0, 0, 64)


def test_the_observer_is_told_everything_once() -> None:
    """Steps, lookups, first tokens, gaps and endings add up to what was served."""
    recorder = Recorder()
    engine = tiny_engine()
    engine.observer = recorder
    answer_all(engine, [request("a", "x" * 20, max_tokens=5), request("b", "x" * 20, max_tokens=3)])
    assert [step.num_prefill_tokens for step in recorder.steps] == [40, 0, 0, 0, 0]
    assert [step.num_decode_tokens for step in recorder.steps] == [0, 2, 2, 1, 1]
    assert recorder.prefix_lookups == [(20, 0), (20, 0)]
    assert len(recorder.first_tokens) == 2
    assert len(recorder.gaps) == 4 + 2
    assert [(r.finish_reason, r.num_prompt_tokens, r.num_generated_tokens) for r in recorder.finished] == [
        ("length", 20, 3),
        ("length", 20, 5),
    ]
    assert recorder.steps[-1].num_running == 0
    assert recorder.steps[0].flops > recorder.steps[-1].flops > 0


def test_an_equal_prompt_is_reported_as_cached() -> None:
    """The second request says how many tokens it was spared."""
    engine = tiny_engine()
    recorder = Recorder()
    engine.observer = recorder
    first = answer_all(engine, [request("a", "x" * 20)])["a"]
    second = answer_all(engine, [request("b", "x" * 20)])["b"]
    assert (first[0].num_cached_tokens, second[0].num_cached_tokens) == (0, 16)
    assert recorder.prefix_lookups == [(20, 0), (20, 16)]
    assert tokens(first) == tokens(second)


def test_preemptions_are_counted_once() -> None:
    """Preempted by want of blocks or by a smaller limit: both appear in the steps and in the ending's record."""
    recorder = Recorder()
    engine = tiny_engine()
    engine.observer = recorder
    engine.add(request("a", "x" * 20))
    engine.add(request("b", "y" * 20))
    engine.step()
    engine.set_batch_limit(1, "preempt")
    assert engine.stats(is_alive=True).batch_limit == 1
    while engine.has_work:
        engine.step()
    assert sum(step.num_preempted for step in recorder.steps) == 1
    # Its first block was still cached, so 4 of its 20 prompt tokens were computed twice.
    assert sum(step.num_recomputed_tokens for step in recorder.steps) == 4
    assert [record.num_preemptions for record in recorder.finished] == [0, 1]
    assert len(recorder.prefix_lookups) == 2


def test_first_tokens_are_counted_once_a_request() -> None:
    """However often it is preempted, and on through a reset."""
    engine = tiny_engine(num_blocks=4, max_num_seqs=2, max_num_batched_tokens=64)
    answer_all(engine, [request("a", [1] * 14, max_tokens=20), request("b", [2] * 14, max_tokens=20)])
    assert engine.stats().num_first_tokens == 2
    engine.reset()
    answer_all(engine, [request("a", "x")])
    assert engine.stats().num_first_tokens == 3


def test_ending_all_requests_empties_the_engine() -> None:
    """When the engine stops, every request ends with the given reason."""
    recorder = Recorder()
    engine = tiny_engine(max_num_seqs=1)
    engine.observer = recorder
    for name in "ab":
        engine.add(request(name, "x"))
    engine.step()
    engine.end_all("abort")
    assert [record.finish_reason for record in recorder.finished] == ["abort", "abort"]
    assert not engine.has_work
