"""Measures the steps of a real engine over a small grid: batches that decode, prompts that are read, both at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from serving_stub.engine.engine import Engine
from serving_stub.engine.interface import FinishRecord, GenerationRequest, SamplingParams, StepRecord
from serving_stub.sim.calibration import MeasuredStep
from serving_stub.sim.prompt import prompt_of
from serving_stub.sim.real_clock import Clock

ANSWER_TOKENS = 8
BATCHES = (1, 2, 3, 4, 6, 8, 16, 32)
PROMPTS = (8, 24, 64, 160)
"""Tokens of each prompt. A batch with long prompts is read in several steps, beside which the first ones decode."""
MOST_TOKENS = 320
"""Of a batch's prompts together: what is longer says nothing that shorter batches do not."""


@dataclass(slots=True)
class _Counter:
    """An engine's observer that keeps each step's operations and bytes."""

    steps: list[StepRecord] = field(default_factory=list)

    def on_step(self, step: StepRecord) -> None:
        self.steps.append(step)

    def on_prefix_lookup(self, num_queried_tokens: int, num_hit_tokens: int, num_evicted_tokens: int) -> None: ...

    def on_first_token(self, ttft_s: float, queue_time_s: float) -> None: ...

    def on_token(self, inter_token_s: float) -> None: ...

    def on_finished(self, record: FinishRecord) -> None: ...


def measure_steps(engine: Engine, clock: Clock) -> list[MeasuredStep]:
    """Let an idle *engine* serve the grid once; a step lasts as long as *clock* says.

    Reset the engine before a second time, or its prefix cache answers.
    """
    before, counter, numbers = engine.observer, _Counter(), count()
    engine.observer = counter
    took_s: list[float] = []
    for batch in BATCHES:
        for prompt_tokens in PROMPTS:
            if batch > engine.config.max_num_seqs or batch * prompt_tokens > MOST_TOKENS:
                continue
            for _ in range(batch):
                engine.add(_request(next(numbers), prompt_tokens))
            while engine.has_work:
                began = clock.now()
                engine.step()
                took_s.append(clock.now() - began)
    engine.observer = before
    return [
        MeasuredStep(step.flops, step.bytes_read + step.bytes_written, step.num_prefill_tokens > 0, seconds)
        for step, seconds in zip(counter.steps, took_s, strict=True)
    ]


def _request(number: int, prompt_tokens: int) -> GenerationRequest:
    answer = SamplingParams(max_tokens=ANSWER_TOKENS, ignore_eos=True)
    return GenerationRequest(f"step-{number}", prompt_of(number, prompt_tokens), answer)
