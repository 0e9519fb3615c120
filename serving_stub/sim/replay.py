"""Arrivals through a simulated engine, in virtual time: what each of them would have met."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from serving_stub.engine.engine import Engine
from serving_stub.engine.interface import GenerationRequest, RequestRefused, SamplingParams
from serving_stub.fleet.arrival import Arrival
from serving_stub.sim.clock import VirtualClock

_BYTES = range(3, 259)
"""Token ids of the byte vocabulary; before them stand the special tokens."""


@dataclass(slots=True)
class Outcome:
    """What became of one arrival; times in seconds since the start, None for what never came.

    Args:
        refused: the code of a request that can never be served.
    """

    arrival: Arrival
    first_token_at: float | None = None
    finished_at: float | None = None
    num_tokens: int = 0
    refused: str | None = None

    @property
    def ttft_s(self) -> float | None:
        """Arrival to first token."""
        return None if self.first_token_at is None else self.first_token_at - self.arrival.at_s

    @property
    def inter_token_s(self) -> float | None:
        """Mean gap between tokens; None for answers of one token."""
        if self.first_token_at is None or self.finished_at is None or self.num_tokens < 2:
            return None
        return (self.finished_at - self.first_token_at) / (self.num_tokens - 1)


def replay(engine: Engine, clock: VirtualClock, arrivals: Iterable[Arrival], seed: int = 0) -> list[Outcome]:
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
            outcomes.append(_add(engine, ahead, len(outcomes), seed))
            ahead = next(coming, None)
        for request_id, chunk in engine.step():
            outcome = outcomes[int(request_id)]
            outcome.num_tokens += len(chunk.token_ids)
            if outcome.first_token_at is None and chunk.token_ids:
                outcome.first_token_at = clock.now()
            if chunk.finish_reason is not None:
                outcome.finished_at = clock.now()
    return outcomes


def _add(engine: Engine, arrival: Arrival, number: int, seed: int) -> Outcome:
    prompt = tuple(random.Random(f"{seed}:{number}").choices(_BYTES, k=arrival.prompt_tokens))
    answer = SamplingParams(max_tokens=arrival.answer_tokens, ignore_eos=True)
    try:
        engine.add(GenerationRequest(str(number), prompt, answer))
    except RequestRefused as refused:
        return Outcome(arrival, refused=refused.code)
    return Outcome(arrival)
