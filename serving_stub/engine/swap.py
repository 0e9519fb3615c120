"""Host memory for the KV blocks of preempted sequences, where having them back is cheaper than computing them again.

It decides and accounts; the copies themselves are made by the runner, outwards first, before the step's forward pass.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from serving_stub.engine.sequence import Sequence


@dataclass(frozen=True, slots=True)
class BlockCopy:
    """One block's keys and values go from the pool to the host, or back."""

    pool_block: int
    host_block: int


class SwapSpace:
    """Blocks in host memory.

    Args:
        is_cheaper: whether a sequence of so many tokens is had back sooner from the host than by computing it again.
    """

    def __init__(self, num_blocks: int, block_size: int, is_cheaper: Callable[[int], bool]) -> None:
        self.num_blocks = num_blocks
        self._block_size = block_size
        self._is_cheaper = is_cheaper
        self._free: deque[int] = deque(range(num_blocks))

    @property
    def num_free_blocks(self) -> int:
        return len(self._free)

    def take(self, seq: Sequence) -> list[BlockCopy]:
        """Make room for what *seq* has computed; empty if computing it again is better, or there is no room.

        Call it while *seq* still has its blocks.
        """
        num_blocks = -(-seq.num_computed_tokens // self._block_size)
        if not num_blocks or num_blocks > len(self._free) or not self._is_cheaper(seq.num_computed_tokens):
            return []
        seq.swap_table = [self._free.popleft() for _ in range(num_blocks)]
        seq.num_swapped_tokens = seq.num_computed_tokens
        return [BlockCopy(*pair) for pair in zip(seq.block_table, seq.swap_table, strict=False)]

    def give_back(self, seq: Sequence) -> list[BlockCopy]:
        """What to copy into the blocks of *seq* that the prefix cache did not spare; its room is free then."""
        spared = seq.num_computed_tokens // self._block_size
        copies = [BlockCopy(*pair) for pair in zip(seq.block_table, seq.swap_table, strict=False)][spared:]
        seq.num_computed_tokens = max(seq.num_computed_tokens, seq.num_swapped_tokens)
        self.release(seq)
        return copies

    def release(self, seq: Sequence) -> None:
        """Forget what *seq* has here."""
        self._free.extend(seq.swap_table)
        seq.swap_table = []
        seq.num_swapped_tokens = 0
