"""Decides what the next step computes. It knows tokens and blocks, never tensors.

One token budget for prefill and decode together, decodes first; within a priority class first come, first served; when
blocks run out the newest running sequence of the worst class goes back to the head of its queue. What it had computed
is kept in host memory if there is room and that is the sooner way back, and computed again otherwise. Nothing is ever
dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from serving_stub.engine.block_manager import BlockManager
from serving_stub.engine.interface import BatchMode, FinishReason
from serving_stub.engine.queue import WaitingQueue
from serving_stub.engine.sequence import Sequence, SequenceState
from serving_stub.engine.swap import BlockCopy, SwapSpace


class ScheduledSequence(NamedTuple):
    """One sequence's share of a step: its next *num_tokens* uncomputed tokens."""

    seq: Sequence
    num_tokens: int

    @property
    def is_sampled(self) -> bool:
        """Whether the share reaches the sequence's end, so that its next token follows; ask before it is computed."""
        return self.seq.num_computed_tokens + self.num_tokens == len(self.seq)


@dataclass(slots=True)
class Schedule:
    """One step's work: decoding sequences first, then prefill chunks.

    Args:
        preempted: sent back to the queue by this step, newest first; their blocks are free already.
        admitted: left the queue with this step.
        swap_out, swap_in: blocks to copy before anything is computed, outwards first.
        num_recomputed_tokens: tokens of this step that a preemption threw away earlier.
        num_tokens: of all shares together.
    """

    decodes: list[ScheduledSequence] = field(default_factory=list)
    prefills: list[ScheduledSequence] = field(default_factory=list)
    preempted: list[Sequence] = field(default_factory=list)
    admitted: list[Sequence] = field(default_factory=list)
    swap_out: list[BlockCopy] = field(default_factory=list)
    swap_in: list[BlockCopy] = field(default_factory=list)
    num_recomputed_tokens: int = 0
    num_tokens: int = 0

    @property
    def work(self) -> list[ScheduledSequence]:
        return [*self.decodes, *self.prefills]

    def give(self, seq: Sequence, num_tokens: int) -> None:
        """Give a sequence its share."""
        (self.decodes if seq.is_decoding else self.prefills).append(ScheduledSequence(seq, num_tokens))
        self.num_tokens += num_tokens

    def drop(self, seq: Sequence) -> None:
        """Take a sequence's share back, if it was given one."""
        for shares in (self.decodes, self.prefills):
            for item in [item for item in shares if item.seq is seq]:
                shares.remove(item)
                self.num_tokens -= item.num_tokens


class Scheduler:
    """Waiting and running sequences, under a batch limit and a token budget that may change between steps.

    `running` is in the order of admission.
    """

    def __init__(
        self, blocks: BlockManager, max_num_seqs: int, max_num_batched_tokens: int, swap: SwapSpace | None = None
    ) -> None:
        self.blocks = blocks
        self.swap = swap or SwapSpace(0, blocks.block_size, lambda _: False)
        self.max_num_seqs = max_num_seqs
        self.max_num_batched_tokens = max_num_batched_tokens
        self.batch_limit = max_num_seqs
        self.token_budget = max_num_batched_tokens
        self.waiting = WaitingQueue()
        self.running: list[Sequence] = []
        self.preempting: Callable[[Sequence], None] = _nobody_listens
        """Told who is about to be sent back, while its fields are as they were."""
        self._swap_out: list[BlockCopy] = []

    @property
    def has_work(self) -> bool:
        return bool(self.waiting or self.running)

    def add(self, seq: Sequence) -> None:
        """Queue a sequence."""
        self.waiting.add(seq)

    def set_batch_limit(self, limit: int, mode: BatchMode) -> list[Sequence]:
        """Change the batch limit; answers what was preempted at once (`preempt`), newest first."""
        self.batch_limit = max(1, min(limit, self.max_num_seqs))
        return self._shrink_to(self.batch_limit) if mode == "preempt" else []

    def set_token_budget(self, budget: int, mode: BatchMode) -> list[Sequence]:
        """Change the tokens of one step; answers what was preempted at once (`preempt`), newest first.

        With `finish`, a budget below the batch makes the newest of the worst class pause until others have finished.
        """
        self.token_budget = max(1, min(budget, self.max_num_batched_tokens))
        return self._shrink_to(self.token_budget) if mode == "preempt" else []

    def lose_blocks(self, num_blocks: int) -> list[Sequence]:
        """Do without part of the pool until told otherwise; answers who was preempted for that, newest first."""
        self.blocks.num_lost_blocks = num_blocks
        preempted: list[Sequence] = []
        while self.running and self.blocks.num_held_blocks > self.blocks.num_blocks - num_blocks:
            preempted.append(self._preempt())
        return preempted

    def schedule(self) -> Schedule:
        """Choose the next step's work and take the blocks it needs."""
        step = Schedule()
        # Within each half by rank; False sorts first.
        self.go_on(sorted(self.running, key=lambda seq: (not seq.is_decoding, seq.request.priority)), step)
        self.admit(step)
        for seq, num_tokens in step.work:
            again = seq.num_ever_computed - seq.num_computed_tokens
            if again > 0:
                step.num_recomputed_tokens += min(again, num_tokens)
        step.swap_out, self._swap_out = self._swap_out, []
        return step

    def go_on(self, running: list[Sequence], step: Schedule) -> None:
        """Give those of *running* their shares of *step*, in this order, as far as tokens and blocks go."""
        for seq in running:
            left = self.token_budget - step.num_tokens
            num_tokens = min(seq.num_uncomputed_tokens, left)
            if num_tokens > 0 and self.make_room(seq, seq.num_computed_tokens + num_tokens, step):
                step.give(seq, num_tokens)

    def admit(self, step: Schedule) -> None:
        """Let those who wait into *step*, as far as tokens and blocks go."""
        # A step that took blocks from someone admits nobody, or the two would take turns for ever.
        while not step.preempted and self.waiting and len(self.running) < self.batch_limit:
            left = self.token_budget - step.num_tokens
            if left <= 0:
                break
            seq = self.waiting.peek()
            spared = self.blocks.adopt_prefix(seq)
            had = max(seq.num_computed_tokens, seq.num_swapped_tokens)
            num_tokens = min(len(seq) - had, left)
            if not self.blocks.can_grow(seq, had + num_tokens):
                self.blocks.release(seq)
                break
            self.blocks.grow(seq, had + num_tokens)
            step.swap_in += self.swap.give_back(seq)
            self.waiting.pop()
            seq.move(SequenceState.RUNNING)
            self.running.append(seq)
            if not seq.num_preemptions:
                seq.num_cached_tokens = spared
            step.admitted.append(seq)
            step.give(seq, num_tokens)

    def make_room(self, seq: Sequence, num_tokens: int, step: Schedule) -> bool:
        """Give a running sequence blocks for so many tokens, preempting whom it takes; False if that came to itself."""
        while seq.state is SequenceState.RUNNING:
            if self.blocks.can_grow(seq, num_tokens):
                self.blocks.grow(seq, num_tokens)
                return True
            victim = self._preempt()
            step.drop(victim)
            step.preempted.append(victim)
        return False

    def computed(self, item: ScheduledSequence) -> None:
        """Record that an item's tokens are in the cache now."""
        seq = item.seq
        seq.num_computed_tokens += item.num_tokens
        seq.num_ever_computed = max(seq.num_ever_computed, seq.num_computed_tokens)
        self.blocks.register_full_blocks(seq)

    def finish(self, seq: Sequence, reason: FinishReason) -> None:
        """End a waiting or running sequence and free its blocks."""
        if seq.is_finished:
            return
        if seq.state is SequenceState.RUNNING:
            self.running.remove(seq)
        else:
            self.waiting.remove(seq)
            self._swap_out = [copy for copy in self._swap_out if copy.host_block not in seq.swap_table]
            self.swap.release(seq)
        self.blocks.release(seq)
        seq.finish_reason = reason
        seq.move(SequenceState.FINISHED)

    def _shrink_to(self, num_seqs: int) -> list[Sequence]:
        return [self._preempt() for _ in range(len(self.running) - num_seqs)]

    def _preempt(self) -> Sequence:
        """Send back the newest of the worst class."""
        worst = max(seq.priority for seq in self.running)
        seq = next(seq for seq in reversed(self.running) if seq.priority == worst)
        self.preempting(seq)
        self.running.remove(seq)
        self._swap_out += self.swap.take(seq)
        self.blocks.release(seq)
        seq.num_preemptions += 1
        seq.move(SequenceState.WAITING)
        self.waiting.put_back(seq)
        return seq


def _nobody_listens(_: Sequence) -> None:
    """There is nothing to do before somebody is sent back."""
