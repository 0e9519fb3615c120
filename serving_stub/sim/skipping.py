"""Virtual time goes from event to event: somebody comes, fills a KV block, is done.

In between, a step does for each decoding sequence what the one before did. A `Skipper` takes such steps without
touching the sequences, and has the scheduler and the block manager do what there is to do for the others, in the order
in which `Engine.step` would; the few steps that are not so, as when lost blocks run short, are left to it. Times,
tokens, blocks and queues come out the same to the last bit.

It holds for what a simulation asks: no deadlines, no stop strings, no end token, no two prompts that begin alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from serving_stub.engine.engine import Engine
from serving_stub.engine.interface import TokenChunk
from serving_stub.engine.scheduler import Schedule
from serving_stub.engine.sequence import Sequence
from serving_stub.engine.work import StepSums, sums_of
from serving_stub.sim.decoding import Decoding, Order
from serving_stub.sim.runner import SimulatedRunner


@dataclass(slots=True)
class Skipped:
    """Steps that were taken.

    Args:
        chunks: of the last of them, by request: first tokens and ends, not every token.
    """

    num_steps: int = 0
    num_tokens: int = 0
    chunks: list[tuple[str, TokenChunk]] = field(default_factory=list)


class Skipper:
    """Takes an engine's steps, many at once.

    Whoever asks anything else of the engine than `add` and `stats` has it `catch_up` before.

    Args:
        now: seconds, by the clock that *runner* moves.
    """

    def __init__(self, engine: Engine, runner: SimulatedRunner, now: Callable[[], float]) -> None:
        self._engine = engine
        self._runner = runner
        self._now = now
        self._decoding = Decoding(engine.config.block_size, runner.letters)
        self._prefilling: dict[Sequence, Order] = {}
        self._num_ordered = 0
        self._is_following = False
        self._is_stuck = False
        self._step = Schedule()
        self._last_step_at = 0.0

    def catch_up(self) -> None:
        """Write into the engine's sequences what has happened to them."""
        for member in self._decoding:
            self._decoding.update(member, self._last_step_at)
        self._is_following = False
        self.look_again()

    def look_again(self) -> None:
        """Somebody was added."""
        self._is_stuck = False

    def skip(self, until_s: float) -> Skipped:
        """Take the steps that begin before *until_s*, up to the first that somebody hears of."""
        done = Skipped()
        while not done.chunks and self._engine.has_work and self._now() < until_s:
            if not self._is_following:
                self._follow()
            if self._is_plain():
                self._skip(done)
            elif done.num_steps:
                break
            else:
                return self._engine_step()
        return done

    def _engine_step(self) -> Skipped:
        self.catch_up()
        chunks = self._engine.step()
        return Skipped(1, sum(len(chunk.token_ids) for _, chunk in chunks), chunks)

    def _follow(self) -> None:
        """See anew who does what."""
        self._decoding.clear()
        self._prefilling.clear()
        self._num_ordered = 0
        for seq in self._engine.scheduler.running:
            if seq.is_decoding and seq.num_generated_tokens:
                self._decoding.join(seq, self._next_order(seq))
            else:
                self._prefilling[seq] = self._next_order(seq)
        self._engine.scheduler.preempting = self._preempting
        self._is_following = True

    def _is_plain(self) -> bool:
        """Whether the next step is one that `_skip` can take: all who decode get tokens, and some are left who do.

        While blocks are lost it may be that nobody is.
        """
        scheduler = self._engine.scheduler
        left = scheduler.token_budget - len(self._decoding)
        if not self._decoding or left < 0 or scheduler.swap.num_blocks:
            return False
        prefilling = self._in_order()
        if any(seq.is_decoding for seq in prefilling):  # all but the last token of its prompt is in the cache
            return False
        blocks = scheduler.blocks
        if not blocks.num_lost_blocks:
            return True
        needed = len(self._decoding.growing())
        for seq in prefilling:
            num_tokens = min(seq.num_uncomputed_tokens, left)
            left -= num_tokens
            needed += max(0, blocks.blocks_for(seq.num_computed_tokens + num_tokens) - len(seq.block_table))
        return needed <= blocks.num_free_blocks

    def _skip(self, done: Skipped) -> None:
        """Take one plain step."""
        scheduler, decoding, started = self._engine.scheduler, self._decoding, self._now()
        self._step = step = Schedule(num_tokens=len(decoding))
        self._grow(step)
        self._add_others(step)
        num_decodes, contexts = len(decoding), decoding.contexts + len(decoding)
        more = sums_of(step.work)
        self._engine.begin(step, started)
        self._runner.skip(
            StepSums(
                num_decodes + more.num_tokens,
                num_decodes + more.num_sampled,
                contexts + more.contexts,
                contexts + more.attended,
            )
        )
        self._last_step_at = now = self._now()
        for member in decoding.step(now):
            scheduler.blocks.register_full_blocks(member.seq)
        for member in decoding.ended(now):
            done.chunks.append((member.seq.request_id, self._engine.end(member.seq, "length")))
            self._is_stuck = False
        done.num_steps += 1
        done.num_tokens += num_decodes
        if step.work:
            self._postprocess(step, done)

    def _grow(self, step: Schedule) -> None:
        """Give those who decode the blocks they need."""
        scheduler = self._engine.scheduler
        for seq in [member.seq for member in self._decoding.growing()]:
            scheduler.make_room(seq, seq.num_computed_tokens + 1, step)

    def _preempting(self, seq: Sequence) -> None:
        """*seq* is about to be sent back."""
        if not self._is_following:
            return
        self._is_stuck = False
        if self._prefilling.pop(seq, None) is None:
            self._decoding.preempted(seq, self._last_step_at)
            self._step.num_tokens -= 1

    def _add_others(self, step: Schedule) -> None:
        """Give those who do not decode yet their shares."""
        scheduler = self._engine.scheduler
        scheduler.go_on(self._in_order(), step)
        # Who could not be admitted cannot be later either, while those who decode take ever more blocks.
        if not self._is_stuck and not step.preempted:
            scheduler.admit(step)
            self._is_stuck = not self._prefilling and not step.admitted

    def _postprocess(self, step: Schedule, done: Skipped) -> None:
        for seq in step.admitted:
            self._prefilling[seq] = self._next_order(seq)
        sampled = self._runner.sample(step)
        chunks = self._engine.postprocess(step, sampled)
        done.chunks += chunks
        done.num_tokens += len(chunks)
        for seq, _ in sampled:
            order = self._prefilling.pop(seq)
            if not seq.is_finished:
                self._decoding.join(seq, order)
        self._is_stuck = False

    def _in_order(self) -> list[Sequence]:
        return sorted(self._prefilling, key=self._prefilling.__getitem__)

    def _next_order(self, seq: Sequence) -> Order:
        self._num_ordered += 1
        return seq.priority, self._num_ordered
