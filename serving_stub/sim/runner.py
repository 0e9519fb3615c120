"""A runner without a model: a step lasts as long as the roofline says, and its tokens are letters.

The scheduler, the block manager and the engine around it are the real ones; only what a GPU would have done is left
out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from serving_stub.engine.scheduler import Schedule
from serving_stub.engine.sequence import Sequence
from serving_stub.engine.work import StepSums, sums_of, work_of
from serving_stub.model.shape import ModelShape
from serving_stub.roofline.roof import Device


@dataclass(frozen=True, slots=True)
class StepCost:
    """What a step costs on a device beyond its roof.

    Args:
        fixed_s: of every step: kernel launches, scheduling, sampling.
        prefill_s: beside, of a step that reads prompts: their attention is kernels of its own.
        weight_bytes, kv_bytes: of an element.
    """

    shape: ModelShape
    device: Device
    weight_bytes: int
    kv_bytes: int
    fixed_s: float = 0.0
    prefill_s: float = 0.0

    def step_s(self, step: Schedule) -> float:
        """Seconds of *step*, without the blocks that it moves to and from the host.

        Source: `roofline.roof.Device.step_s`: bytes over bandwidth or operations over peak, the larger one.
        """
        return self.seconds(sums_of(step.work))

    def seconds(self, sums: StepSums) -> float:
        """Seconds of a step of such *sums*, where no block is moved."""
        work = work_of(sums, self.shape, self.weight_bytes, self.kv_bytes)
        compute_s = self.device.step_s(work.flops, work.bytes_read + work.bytes_written)
        # A decoding sequence has one row; whoever has more reads a prompt.
        reads_prompts = sums.attended > sums.contexts
        return compute_s + self.fixed_s + (self.prefill_s if reads_prompts else 0.0)

    def swap_s(self, num_blocks: int, block_size: int) -> float:
        """Seconds to move so many blocks over the host link, one way."""
        num_bytes = num_blocks * block_size * self.shape.kv_bytes_per_token(self.kv_bytes)
        return num_bytes / self.device.host_bytes_per_s


class SimulatedRunner:
    """Lets time pass instead of computing.

    Args:
        pass_time: given the seconds of a step; `time.sleep`, or a virtual clock's `advance`.
        letters: token ids that answers are made of; the same position of the same request always has the same one.
    """

    def __init__(
        self, cost: StepCost, block_size: int, pass_time: Callable[[float], None], letters: tuple[int, ...]
    ) -> None:
        self._cost = cost
        self._block_size = block_size
        self._pass_time = pass_time
        self._letters = letters

    def run(self, step: Schedule) -> list[tuple[Sequence, int | None]]:
        """The next token of each sampled sequence, once the step's time has passed."""
        moved = self._cost.swap_s(len(step.swap_out) + len(step.swap_in), self._block_size)
        self._pass_time(self._cost.step_s(step) + moved)
        return self.sample(step)

    def skip(self, sums: StepSums) -> None:
        """Let the time of a step of such *sums* pass."""
        self._pass_time(self._cost.seconds(sums))

    def sample(self, step: Schedule) -> list[tuple[Sequence, int | None]]:
        """The next token of each sampled sequence."""
        return [(item.seq, self.letters(item.seq, 1)[0]) for item in step.work if item.is_sampled]

    def reset(self) -> None:
        """There is nothing to forget."""

    def letters(self, seq: Sequence, count: int) -> tuple[int, ...]:
        """The next *count* tokens of *seq*."""
        size = len(self._letters)
        begin = (sum(seq.request.prompt_token_ids[-8:]) + len(seq)) % size
        return (self._letters * (1 + (begin + count) // size))[begin : begin + count]
