"""One trace through one engine, real or simulated, and what the requests felt.

Whoever is due is added, then comes a step: the same loop by a real clock and in virtual time, so that two replays
differ in what steps cost and in nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from serving_stub.engine.engine import Engine
from serving_stub.engine.interface import GenerationRequest, SamplingParams
from serving_stub.fleet.arrival import Arrival
from serving_stub.sim.outcome import Outcome
from serving_stub.sim.prompt import prompt_of
from serving_stub.sim.real_clock import Clock


@dataclass(slots=True)
class Replay:
    """What became of each arrival.

    Args:
        gaps_s: every gap between two tokens of one answer, seconds.
        ended_s: when the last token came.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    gaps_s: list[float] = field(default_factory=list)
    ended_s: float = 0.0

    @property
    def figures(self) -> Mapping[str, float]:
        """By name: seconds, and `tokens/s` from the first arrival to the last token."""
        spreads: dict[str, Sequence[float | None]] = {
            "TTFT": [one.ttft_s for one in self.outcomes],
            "mean between tokens": [one.inter_token_s for one in self.outcomes],
            "gap between tokens": self.gaps_s,
        }
        found: dict[str, float] = {}
        for name, values in spreads.items():
            cuts = quantiles([value for value in values if value is not None], n=100, method="inclusive")
            found |= {f"{name} p50": cuts[49], f"{name} p95": cuts[94]}
        num_tokens = sum(one.num_tokens for one in self.outcomes)
        return found | {"tokens/s": num_tokens / (self.ended_s - self.outcomes[0].arrival.at_s)}


def replay(engine: Engine, arrivals: Sequence[Arrival], clock: Clock) -> Replay:
    """Serve *arrivals*, which are in order of time, to their end; *clock* starts at 0.

    Raises: RequestRefused for an arrival that the engine can never serve.
    """
    found = Replay([Outcome(arrival) for arrival in arrivals])
    coming = deque(enumerate(found.outcomes))
    last_token_at: dict[str, float] = {}
    while coming or engine.has_work:
        while coming and coming[0][1].arrival.at_s <= clock.now():
            number, outcome = coming.popleft()
            engine.add(_request(number, outcome.arrival))
        if not engine.has_work:
            clock.advance_to(coming[0][1].arrival.at_s)
            continue
        chunks = engine.step()
        now = clock.now()
        for request_id, chunk in chunks:
            outcome = found.outcomes[int(request_id)]
            outcome.num_tokens += len(chunk.token_ids)
            if outcome.first_token_at is None:
                outcome.first_token_at = now
            else:
                found.gaps_s.append(now - last_token_at[request_id])
            last_token_at[request_id] = now
            if chunk.finish_reason is not None:
                outcome.finished_at = found.ended_s = now
    return found


def ratios(simulated: Replay, real: Replay) -> Mapping[str, float]:
    """Each figure of *simulated* as a multiple of the same one of *real*."""
    theirs = real.figures
    return {name: value / theirs[name] for name, value in simulated.figures.items()}


def outside(found: Mapping[str, float], *, p50: float, p95: float) -> dict[str, float]:
    """Those ratios that are off by more than the share *p95* at a p95, and *p50* at anything else."""
    return {name: ratio for name, ratio in found.items() if abs(ratio - 1) > (p95 if name.endswith("p95") else p50)}


def _request(number: int, arrival: Arrival) -> GenerationRequest:
    answer = SamplingParams(max_tokens=arrival.answer_tokens, ignore_eos=True)
    return GenerationRequest(str(number), prompt_of(number, arrival.prompt_tokens), answer)
