"""Arrivals through a simulated engine, in virtual time: what each of them would have met."""

from __future__ import annotations

from collections.abc import Iterable

from serving_stub.engine.engine import Engine
from serving_stub.engine.interface import GenerationRequest, RequestRefused, SamplingParams
from serving_stub.fleet.arrival import Arrival
from serving_stub.sim.clock import VirtualClock
from serving_stub.sim.outcome import Outcome
from serving_stub.sim.prompt import prompt_of


def replay(engine: Engine, clock: VirtualClock, arrivals: Iterable[Arrival]) -> list[Outcome]:
    """Serve *arrivals*, which are in order of time, to their end; no two prompts begin alike.

    Args:
        clock: the one that the engine's runner moves.
    """
    outcomes: list[Outcome] = []
    coming = iter(arrivals)
    ahead = next(coming, None)
    while ahead is not None or engine.has_work:
        if not engine.has_work and ahead is not None:
            clock.advance_to(ahead.at_s)
        while ahead is not None and ahead.at_s <= clock.now():
            outcomes.append(_add(engine, ahead, len(outcomes)))
            ahead = next(coming, None)
        for request_id, chunk in engine.step():
            outcome = outcomes[int(request_id)]
            outcome.num_tokens += len(chunk.token_ids)
            if outcome.first_token_at is None and chunk.token_ids:
                outcome.first_token_at = clock.now()
            if chunk.finish_reason is not None:
                outcome.finished_at = clock.now()
    return outcomes


def _add(engine: Engine, arrival: Arrival, number: int) -> Outcome:
    prompt = prompt_of(number, arrival.prompt_tokens)
    answer = SamplingParams(max_tokens=arrival.answer_tokens, ignore_eos=True)
    try:
        engine.add(GenerationRequest(str(number), prompt, answer))
    except RequestRefused as refused:
        return Outcome(arrival, refused=refused.code)
    return Outcome(arrival)
