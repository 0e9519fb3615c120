"""Through any order of moves, every KV block is in exactly one place and a shared one counts its holders."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from serving_stub.engine.block_manager import BlockManager, OutOfBlocks
from serving_stub.engine.interface import GenerationRequest
from serving_stub.engine.sequence import Sequence

TOKENS = st.lists(st.integers(0, 1), min_size=1, max_size=14)
"""Two tokens only, so that equal prefixes are common."""


class Blocks(RuleBasedStateMachine):
    """Sequences come, grow, fill blocks and leave; the pool is small enough to run out and to evict."""

    def __init__(self) -> None:
        super().__init__()
        self.sequences: list[Sequence] = []

    @initialize(num_blocks=st.integers(1, 10), block_size=st.integers(1, 4), caching=st.booleans())
    def make_pool(self, num_blocks: int, block_size: int, caching: bool) -> None:
        self.blocks = BlockManager(num_blocks, block_size, enable_prefix_caching=caching)
        self.content: dict[int, tuple[int, ...]] = {}

    @rule(token_ids=TOKENS)
    def arrive(self, token_ids: list[int]) -> None:
        seq = Sequence(GenerationRequest("r", tuple(token_ids)), arrived_at=0.0)
        spared = self.blocks.adopt_prefix(seq)
        assert spared == len(seq.block_table) * self.blocks.block_size < len(seq)
        for i, block in enumerate(seq.block_table):
            # A block that is reused must hold the keys and values of exactly these tokens after exactly this prefix.
            assert self.content[block] == tuple(token_ids[: (i + 1) * self.blocks.block_size])
        self.sequences.append(seq)

    @precondition(lambda self: self.sequences)
    @rule(data=st.data(), num_tokens=st.integers(1, 6))
    def compute(self, data: st.DataObject, num_tokens: int) -> None:
        seq = data.draw(st.sampled_from(self.sequences))
        target = min(len(seq), seq.num_computed_tokens + num_tokens)
        before, free = list(seq.block_table), self.blocks.num_free_blocks
        fits = self.blocks.can_grow(seq, target)
        try:
            self.blocks.grow(seq, target)
        except OutOfBlocks:
            assert not fits
            assert (seq.block_table, self.blocks.num_free_blocks) == (before, free)
            return
        assert fits
        size = self.blocks.block_size
        for position in range(seq.num_computed_tokens, target):
            assert self.blocks.holders(seq.block_table[position // size]) == 1, "nobody writes into a shared block"
            self.content[seq.block_table[position // size]] = tuple(seq.token_ids[: position + 1])
        seq.num_computed_tokens = target
        self.blocks.register_full_blocks(seq)

    @precondition(lambda self: self.sequences)
    @rule(data=st.data(), token_id=st.integers(0, 1))
    def append(self, data: st.DataObject, token_id: int) -> None:
        seq = data.draw(st.sampled_from(self.sequences))
        if not seq.num_uncomputed_tokens:
            seq.token_ids.append(token_id)

    @precondition(lambda self: self.sequences)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        seq = data.draw(st.sampled_from(self.sequences))
        self.blocks.release(seq)
        assert (seq.block_table, seq.num_computed_tokens) == ([], 0)
        self.sequences.remove(seq)

    @invariant()
    def every_block_is_in_one_place(self) -> None:
        if not hasattr(self, "blocks"):
            return
        holders = Counter(block for seq in self.sequences for block in seq.block_table)
        assert {block: self.blocks.holders(block) for block in range(self.blocks.num_blocks)} == {
            block: holders[block] for block in range(self.blocks.num_blocks)
        }
        assert all(len(set(seq.block_table)) == len(seq.block_table) for seq in self.sequences)
        assert self.blocks.num_held_blocks == len(holders)
        assert self.blocks.num_held_blocks + self.blocks.num_free_blocks == self.blocks.num_blocks
        assert 0 <= self.blocks.num_cached_blocks <= self.blocks.num_free_blocks


TestBlocks = Blocks.TestCase
TestBlocks.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
