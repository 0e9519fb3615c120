"""KV blocks: who holds which, which are free, and which full ones can be reused as a prefix.

A block is free, held (by one sequence or, as a shared prefix, by several), or cached: full, held by nobody, kept for
reuse until the least recently used is needed. free + cached + held is always the whole pool.
Source: Kwon et al. 2023, "Efficient Memory Management for Large Language Model Serving with PagedAttention",
sections 4.2 to 4.4.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict, deque
from dataclasses import dataclass

from serving_stub.engine.sequence import Sequence

REMEMBERED = 4
"""Evicted blocks whose keys are remembered, in pools: enough to tell what a pool of that size would have spared."""


class OutOfBlocks(Exception):
    """No block is free; the scheduler answers by preempting."""


@dataclass(frozen=True, slots=True)
class _Prefix:
    """A full block's content: the key of everything before it, and its own tokens."""

    parent: bytes
    tokens: tuple[int, ...]


class BlockManager:
    """Accounts for one pool of KV blocks; it knows tokens and block numbers, never tensors."""

    def __init__(self, num_blocks: int, block_size: int, *, enable_prefix_caching: bool) -> None:
        self.num_blocks = num_blocks
        self.block_size = block_size
        self.num_lost_blocks = 0
        self._enable_prefix_caching = enable_prefix_caching
        self._free: deque[int] = deque(range(num_blocks))
        self._holders: dict[int, int] = {}
        self._cached: OrderedDict[int, None] = OrderedDict()
        self._block_of_key: dict[bytes, int] = {}
        self._key_of_block: dict[int, bytes] = {}
        self._content: dict[int, _Prefix] = {}
        self._evicted: OrderedDict[bytes, None] = OrderedDict()

    @property
    def num_free_blocks(self) -> int:
        """Blocks that can be had without preempting anyone: free ones and cached ones, less those a fault took."""
        return max(0, len(self._free) + len(self._cached) - self.num_lost_blocks)

    @property
    def num_cached_blocks(self) -> int:
        return len(self._cached)

    @property
    def num_held_blocks(self) -> int:
        return len(self._holders)

    @property
    def usage(self) -> float:
        """The share of the pool that live sequences hold, 0 to 1."""
        return min(1.0, len(self._holders) / max(1, self.num_blocks - self.num_lost_blocks))

    def holders(self, block: int) -> int:
        """How many sequences hold *block*."""
        return self._holders.get(block, 0)

    def blocks_for(self, num_tokens: int) -> int:
        """Blocks that *num_tokens* tokens fill."""
        return -(-num_tokens // self.block_size)

    def adopt_prefix(self, seq: Sequence) -> int:
        """Give an empty sequence the cached blocks that its tokens begin with; answers the tokens spared.

        At least the last token is left to compute, since its logits are wanted.
        """
        assert not seq.block_table
        if not self._enable_prefix_caching:
            return 0
        parent = b""
        seq.num_evicted_tokens = 0
        for start in range(0, (len(seq) - 1) // self.block_size * self.block_size, self.block_size):
            tokens = tuple(seq.token_ids[start : start + self.block_size])
            key = _key(parent, tokens)
            block = self._block_of_key.get(key)
            # A key is a digest: the tokens are compared too, so that nobody ever reads another prompt's keys.
            if block is None or self._content[block] != _Prefix(parent, tokens):
                seq.num_evicted_tokens = self._count_evicted(seq, start, parent)
                break
            self._hold(block)
            seq.block_table.append(block)
            parent = key
        seq.num_hashed_blocks = len(seq.block_table)
        seq.last_block_key = parent
        seq.num_computed_tokens = len(seq.block_table) * self.block_size
        return seq.num_computed_tokens

    def _count_evicted(self, seq: Sequence, start: int, parent: bytes) -> int:
        """Tokens from *start* on whose blocks were here and had to make room, as far as that is remembered."""
        num_tokens = 0
        for at in range(start, (len(seq) - 1) // self.block_size * self.block_size, self.block_size):
            parent = _key(parent, tuple(seq.token_ids[at : at + self.block_size]))
            if parent not in self._evicted:
                break
            num_tokens += self.block_size
        return num_tokens

    def can_grow(self, seq: Sequence, num_tokens: int) -> bool:
        """Whether blocks for *num_tokens* tokens in all can be had now."""
        return self.blocks_for(num_tokens) - len(seq.block_table) <= self.num_free_blocks

    def grow(self, seq: Sequence, num_tokens: int) -> None:
        """Give *seq* blocks for *num_tokens* tokens in all.

        Raises: OutOfBlocks, having changed nothing.
        """
        missing = self.blocks_for(num_tokens) - len(seq.block_table)
        if missing > self.num_free_blocks:
            raise OutOfBlocks(f"{missing} KV blocks wanted, {self.num_free_blocks} free")
        for _ in range(missing):
            block = self._take()
            self._hold(block)
            seq.block_table.append(block)

    def register_full_blocks(self, seq: Sequence) -> None:
        """Make the blocks that *seq* has filled since the last call findable as a prefix."""
        if not self._enable_prefix_caching:
            return
        while (seq.num_hashed_blocks + 1) * self.block_size <= seq.num_computed_tokens:
            start = seq.num_hashed_blocks * self.block_size
            tokens = tuple(seq.token_ids[start : start + self.block_size])
            key = _key(seq.last_block_key, tokens)
            block = seq.block_table[seq.num_hashed_blocks]
            if key not in self._block_of_key:
                self._evicted.pop(key, None)
                self._block_of_key[key] = block
                self._key_of_block[block] = key
                self._content[block] = _Prefix(seq.last_block_key, tokens)
            seq.last_block_key = key
            seq.num_hashed_blocks += 1

    def release(self, seq: Sequence) -> None:
        """Take all blocks back; full ones stay findable, the end of a sequence is evicted before its beginning."""
        for block in reversed(seq.block_table):
            self._holders[block] -= 1
            if self._holders[block]:
                continue
            del self._holders[block]
            if block in self._key_of_block:
                self._cached[block] = None
            else:
                self._free.append(block)
        seq.block_table.clear()
        seq.num_computed_tokens = 0
        seq.num_hashed_blocks = 0
        seq.last_block_key = b""

    def _hold(self, block: int) -> None:
        self._cached.pop(block, None)
        self._holders[block] = self._holders.get(block, 0) + 1

    def _take(self) -> int:
        if self._free:
            return self._free.popleft()
        block, _ = self._cached.popitem(last=False)
        key = self._key_of_block.pop(block)
        del self._block_of_key[key]
        del self._content[block]
        self._evicted[key] = None
        if len(self._evicted) > REMEMBERED * self.num_blocks:
            self._evicted.popitem(last=False)
        return block


def _key(parent: bytes, tokens: tuple[int, ...]) -> bytes:
    return hashlib.blake2b(parent + array("q", tokens).tobytes(), digest_size=16).digest()
