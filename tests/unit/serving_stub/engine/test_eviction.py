"""An idle conversation's blocks go first when room is needed, and its return is paid for with a whole prefill."""

from __future__ import annotations

from serving_stub.engine.engine import Engine
from serving_stub.engine.interface import SamplingParams
from tests.support.tiny_engine import Recorder, answer_all, request, tiny_engine

PARAMS = SamplingParams(max_tokens=8, ignore_eos=True)


def conversation(name: int) -> list[int]:
    """64 tokens of its own: four blocks."""
    return [3 + (name * 41 + i * 7) % 250 for i in range(64)]


def ask(engine: Engine, name: int, turn: int) -> tuple[int, int, int]:
    """One turn; answers the prompt tokens that were spared, evicted, and prefilled."""
    recorder = Recorder()
    engine.observer = recorder
    answer_all(engine, [request(f"{name}-{turn}", conversation(name), PARAMS)])
    ((_, spared),) = recorder.prefix_lookups
    return spared, recorder.evicted[0], sum(step.num_prefill_tokens for step in recorder.steps)


def test_the_idle_one_is_evicted_and_pays_when_it_returns() -> None:
    """Others take turns while one is away: they keep their blocks, and it prefills all of its prompt again."""
    engine = tiny_engine(num_blocks=14)
    idle, first, second, third = 0, 1, 2, 3
    assert ask(engine, idle, 1) == (0, 0, 64)
    for turn in (1, 2):
        for name in (first, second, third):
            ask(engine, name, turn)
    assert ask(engine, first, 3)[0] == 48, "a conversation that goes on is spared its full blocks but the last"
    spared, evicted, prefilled = ask(engine, idle, 2)
    assert (spared, evicted, prefilled) == (0, 48, 64)


def test_what_was_never_here_was_not_evicted() -> None:
    """A new conversation costs its prefill and nobody's memory."""
    engine = tiny_engine(num_blocks=16)
    for name in range(8):
        assert ask(engine, name, 1)[1] == 0


def test_what_is_back_is_not_counted_again() -> None:
    """Once its blocks are here again, the next turn is spared and nothing is evicted."""
    engine = tiny_engine(num_blocks=16)
    for name in (0, 1, 2, 3, 4):
        ask(engine, name, 1)
    assert ask(engine, 0, 2)[1] == 48
    assert ask(engine, 0, 3)[:2] == (48, 0)
