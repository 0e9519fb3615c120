"""Through any order of add, step, cancel and resize: limits hold, blocks balance, and every request is answered."""

from __future__ import annotations

import random
from typing import Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from serving_stub.engine.config import EngineConfig
from serving_stub.engine.engine import Engine
from serving_stub.engine.interface import GenerationRequest, SamplingParams
from serving_stub.engine.scheduler import Schedule
from serving_stub.engine.sequence import Sequence
from tests.support.tiny_engine import tiny_engine

Mode = Literal["finish", "preempt"]


class RandomRunner:
    """Answers random tokens, after checking that the step is one a model could compute."""

    def __init__(self, config: EngineConfig, seed: int) -> None:
        self._config = config
        self._rng = random.Random(seed)
        self.num_steps = 0
        self._on_host: set[int] = set()

    def reset(self) -> None:
        """Nothing is kept."""

    def run(self, step: Schedule) -> list[tuple[Sequence, int | None]]:
        self.num_steps += 1
        assert sum(item.num_tokens for item in step.work) <= self._config.max_num_batched_tokens
        assert len({id(item.seq) for item in step.work}) == len(step.work)
        assert not (step.preempted and step.admitted), "a step that preempts admits nobody"
        written: set[int] = set()
        for item in step.work:
            first, last = item.seq.num_computed_tokens, item.seq.num_computed_tokens + item.num_tokens
            assert first < last <= len(item.seq)
            size = self._config.block_size
            assert last <= len(item.seq.block_table) * size, "every token has its place"
            slots = {item.seq.block_table[p // size] * size + p % size for p in range(first, last)}
            assert len(slots) == item.num_tokens
            assert not written & slots, "two sequences write to one place"
            written |= slots
        self._check_copies(step)
        return [(item.seq, self._rng.randrange(3)) for item in step.work if item.is_sampled]

    def _check_copies(self, step: Schedule) -> None:
        out_to = [copy.host_block for copy in step.swap_out]
        into = [copy.pool_block for copy in step.swap_in]
        assert len(set(out_to)) == len(out_to), "two blocks go to one place"
        assert len(set(into)) == len(into), "two blocks come back to one place"
        self._on_host.update(out_to)
        assert {copy.host_block for copy in step.swap_in} <= self._on_host, "only what went out comes back"
        computed = {block for item in step.work for block in item.seq.block_table}
        assert set(into) <= computed, "what comes back is used at once"


class Serving(RuleBasedStateMachine):
    """The real engine above a runner that invents tokens; the pool is small, so sequences are preempted often."""

    def __init__(self) -> None:
        super().__init__()
        self.engine: Engine
        self.wanted: dict[str, int] = {}
        self.got: dict[str, int] = {}

    @initialize(
        num_blocks=st.integers(4, 12),
        block_size=st.integers(1, 4),
        max_num_seqs=st.integers(1, 5),
        budget=st.integers(5, 20),
        num_swap_blocks=st.sampled_from([0, 3, 50]),
        seed=st.integers(0, 9),
    )
    def make_engine(
        self, num_blocks: int, block_size: int, max_num_seqs: int, budget: int, num_swap_blocks: int, seed: int
    ) -> None:
        config = EngineConfig(
            model="tiny",
            num_blocks=num_blocks,
            block_size=block_size,
            max_num_seqs=max_num_seqs,
            max_num_batched_tokens=budget,
            num_swap_blocks=num_swap_blocks,
        )
        self.runner = RandomRunner(config, seed)
        self.engine = tiny_engine(config, runner=self.runner)

    @rule(
        prompt=st.lists(st.integers(0, 2), min_size=1, max_size=12),
        max_tokens=st.integers(1, 8),
        priority=st.integers(0, 2),
    )
    def add(self, prompt: list[int], max_tokens: int, priority: int) -> None:
        room = self.engine.config.num_pool_blocks * self.engine.config.block_size
        prompt = prompt[: max(1, room - max_tokens)]
        params = SamplingParams(max_tokens=min(max_tokens, room - len(prompt)), ignore_eos=True)
        if params.max_tokens < 1:
            return
        request_id = str(len(self.wanted))
        self.engine.add(GenerationRequest(request_id, tuple(prompt), params, priority))
        self.wanted[request_id] = params.max_tokens
        self.got[request_id] = 0

    @rule()
    def step(self) -> None:
        scheduler = self.engine.scheduler
        running_before, had_work = len(scheduler.running), self.engine.has_work
        steps_before = self.runner.num_steps
        for request_id, chunk in self.engine.step():
            self.got[request_id] += len(chunk.token_ids)
        if not scheduler.blocks.num_lost_blocks:
            assert (self.runner.num_steps > steps_before) is had_work, "a step with work to do does some"
        assert len(scheduler.running) <= max(scheduler.batch_limit, running_before)
        self._check_blocks()

    @precondition(lambda self: self.wanted)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        request_id = data.draw(st.sampled_from(sorted(self.wanted)))
        self.engine.cancel(request_id)
        self.wanted[request_id] = self.got[request_id]
        self._check_blocks()

    @rule(limit=st.integers(1, 6), mode=st.sampled_from(["finish", "preempt"]))
    def resize(self, limit: int, mode: Mode) -> None:
        self.engine.set_batch_limit(limit, mode)
        if mode == "preempt":
            assert len(self.engine.scheduler.running) <= limit
        self._check_blocks()

    @rule(data=st.data())
    def lose_blocks(self, data: st.DataObject) -> None:
        pool = self.engine.config.num_pool_blocks
        self.engine.lose_blocks(data.draw(st.integers(0, pool - 1)))
        blocks = self.engine.scheduler.blocks
        assert blocks.num_held_blocks <= pool - blocks.num_lost_blocks
        self._check_blocks()

    @rule(budget=st.integers(1, 20), mode=st.sampled_from(["finish", "preempt"]))
    def rebudget(self, budget: int, mode: Mode) -> None:
        self.engine.set_token_budget(budget, mode)
        if mode == "preempt":
            assert len(self.engine.scheduler.running) <= budget
        self._check_blocks()

    def teardown(self) -> None:
        """Whatever happened before, all that was asked for is answered in full, and the pool is whole again."""
        if not self.wanted:
            return
        self.engine.lose_blocks(0)
        # Each step computes at least one token of the oldest sequence, and a preemption costs at most all of them.
        for _ in range(2000):
            if not self.engine.has_work:
                break
            self.step()
        assert self.got == self.wanted
        assert self.engine.scheduler.blocks.num_held_blocks == 0
        assert self.engine.scheduler.swap.num_free_blocks == self.engine.config.num_swap_blocks

    def _check_blocks(self) -> None:
        blocks, scheduler = self.engine.scheduler.blocks, self.engine.scheduler
        held = {block for seq in scheduler.running for block in seq.block_table}
        assert blocks.num_held_blocks == len(held)
        assert blocks.num_free_blocks == max(0, blocks.num_blocks - blocks.num_held_blocks - blocks.num_lost_blocks)
        assert 0 <= blocks.usage <= 1
        assert all(not seq.block_table for seq in scheduler.waiting)
        on_host = [block for seq in scheduler.waiting for block in seq.swap_table]
        assert len(set(on_host)) == len(on_host), "no host block is owned twice"
        assert scheduler.swap.num_free_blocks + len(on_host) == scheduler.swap.num_blocks
        assert all(not seq.swap_table for seq in scheduler.running)
        for block in held:
            assert blocks.holders(block) == sum(block in seq.block_table for seq in scheduler.running)


TestServing = Serving.TestCase
TestServing.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
