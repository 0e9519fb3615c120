"""Decides what the next step computes. It knows tokens and blocks, never tensors.

One token budget for prefill and decode together, decodes first; first come, first served; when blocks run out the
newest running sequence goes back to the head of the queue and is computed again later. Nothing is ever dropped.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from serving_stub.engine.block_manager import BlockManager
from serving_stub.engine.interface import BatchMode, FinishReason
from serving_stub.engine.sequence import Sequence, SequenceState


@dataclass(frozen=True, slots=True)
class ScheduledSequence:
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
        num_recomputed_tokens: tokens of this step that a preemption threw away earlier.
    """

    decodes: list[ScheduledSequence] = field(default_factory=list)
    prefills: list[ScheduledSequence] = field(default_factory=list)
    preempted: list[Sequence] = field(default_factory=list)
    admitted: list[Sequence] = field(default_factory=list)
    num_recomputed_tokens: int = 0

    @property
    def work(self) -> list[ScheduledSequence]:
        return [*self.decodes, *self.prefills]


class Scheduler:
    """Waiting and running sequences, under a batch limit that may change between steps."""

    def __init__(self, blocks: BlockManager, max_num_seqs: int, max_num_batched_tokens: int) -> None:
        self.blocks = blocks
        self.max_num_seqs = max_num_seqs
        self.max_num_batched_tokens = max_num_batched_tokens
        self.batch_limit = max_num_seqs
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []

    @property
    def has_work(self) -> bool:
        return bool(self.waiting or self.running)

    def add(self, seq: Sequence) -> None:
        """Queue a sequence."""
        self.waiting.append(seq)

    def set_batch_limit(self, limit: int, mode: BatchMode) -> list[Sequence]:
        """Change the batch limit; answers what was preempted at once (`preempt`), newest first."""
        self.batch_limit = max(1, min(limit, self.max_num_seqs))
        preempted: list[Sequence] = []
        while mode == "preempt" and len(self.running) > self.batch_limit:
            preempted.append(self._preempt_newest())
        return preempted

    def schedule(self) -> Schedule:
        """Choose the next step's work and take the blocks it needs."""
        # Only the newest running sequence can be amid its prefill, since nobody is admitted before it has all it asks
        # for; and only the newest is preempted. So nobody loses a share that this step already gave.
        step = Schedule()
        budget = self.max_num_batched_tokens
        for seq in list(self.running):
            if seq.is_decoding and budget > 0 and self._make_room(seq, len(seq), step):
                step.decodes.append(ScheduledSequence(seq, 1))
                budget -= 1
        for seq in list(self.running):
            if seq.is_decoding or budget <= 0:
                continue
            num_tokens = min(seq.num_uncomputed_tokens, budget)
            if self._make_room(seq, seq.num_computed_tokens + num_tokens, step):
                step.prefills.append(ScheduledSequence(seq, num_tokens))
                budget -= num_tokens
        # A step that took blocks from someone admits nobody, or the two would take turns for ever.
        while not step.preempted and self.waiting and budget > 0 and len(self.running) < self.batch_limit:
            seq = self.waiting[0]
            spared = self.blocks.adopt_prefix(seq)
            num_tokens = min(seq.num_uncomputed_tokens, budget)
            if not self.blocks.can_grow(seq, seq.num_computed_tokens + num_tokens):
                self.blocks.release(seq)
                break
            self.blocks.grow(seq, seq.num_computed_tokens + num_tokens)
            self.waiting.popleft()
            seq.move(SequenceState.RUNNING)
            self.running.append(seq)
            if not seq.num_preemptions:
                seq.num_cached_tokens = spared
            step.admitted.append(seq)
            step.prefills.append(ScheduledSequence(seq, num_tokens))
            budget -= num_tokens
        for item in step.work:
            again = item.seq.num_ever_computed - item.seq.num_computed_tokens
            step.num_recomputed_tokens += max(0, min(again, item.num_tokens))
        return step

    def computed(self, item: ScheduledSequence) -> None:
        """Record that an item's tokens are in the cache now."""
        item.seq.num_computed_tokens += item.num_tokens
        item.seq.num_ever_computed = max(item.seq.num_ever_computed, item.seq.num_computed_tokens)
        self.blocks.register_full_blocks(item.seq)

    def finish(self, seq: Sequence, reason: FinishReason) -> None:
        """End a waiting or running sequence and free its blocks."""
        if seq.is_finished:
            return
        if seq.state is SequenceState.RUNNING:
            self.running.remove(seq)
        else:
            self.waiting.remove(seq)
        self.blocks.release(seq)
        seq.finish_reason = reason
        seq.move(SequenceState.FINISHED)

    def _make_room(self, seq: Sequence, num_tokens: int, step: Schedule) -> bool:
        while seq.state is SequenceState.RUNNING:
            if self.blocks.can_grow(seq, num_tokens):
                self.blocks.grow(seq, num_tokens)
                return True
            step.preempted.append(self._preempt_newest())
        return False

    def _preempt_newest(self) -> Sequence:
        seq = self.running.pop()
        self.blocks.release(seq)
        seq.num_preemptions += 1
        seq.move(SequenceState.WAITING)
        self.waiting.appendleft(seq)
        return seq
