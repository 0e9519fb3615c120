"""KV blocks: who holds which, which are free, and which full ones can be reused as a prefix.

A block is free, held (by one sequence or, as a shared prefix, by several), or cached: full, held by nobody, kept for
reuse until the least recently used is needed. free + cached + held is always the whole pool.
Source: Kwon et al. 2023, "Efficient Memory Management for Large Language Model Serving with PagedAttention",
sections 4.2 to 4.4.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from struct import Struct

from serving_stub.engine.sequence import Sequence

REMEMBERED = 4
"""Evicted blocks whose keys are remembered, in pools: enough to tell what a pool of that size would have spared."""


class OutOfBlocks(Exception):
    """No block is free; the scheduler answers by preempting."""


_Content = tuple[bytes, bytes, tuple[int, ...]]
"""A full block's key, the key of everything before it, and its own tokens."""


class BlockManager:
    """Accounts for one pool of KV blocks; it knows tokens and block numbers, never tensors."""

    def __init__(self, num_blocks: int, block_size: int, *, enable_prefix_caching: bool) -> None:
        self.num_blocks = num_blocks
        self.block_size = block_size
        self.num_lost_blocks = 0
        self._enable_prefix_caching = enable_prefix_caching
        self._packed = Struct(f"{block_size}q")
        self._free: deque[int] = deque(range(num_blocks))
        self._holders: dict[int, int] = {}
        self._cached: OrderedDict[int, None] = OrderedDict()
        self._block_of_key: dict[bytes, int] = {}
        self._content: dict[int, _Content] = {}
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
        seq.num_evicted_tokens = 0
        for number in range((len(seq) - 1) // self.block_size):
            block = self._block_of_key.get(self._keys(seq, number + 1)[number])
            # A key is a digest: the tokens are compared too, so that nobody ever reads another prompt's keys.
            if block is None or self._content[block] != self._content_of(seq, number):
                seq.num_evicted_tokens = self._count_evicted(seq, number)
                break
            self._hold(block)
            seq.block_table.append(block)
        seq.num_findable_blocks = len(seq.block_table)
        seq.num_computed_tokens = len(seq.block_table) * self.block_size
        return seq.num_computed_tokens

    def _count_evicted(self, seq: Sequence, first: int) -> int:
        """Tokens from block *first* on whose blocks were here and had to make room, as far as that is remembered."""
        num_blocks = 0
        for number in range(first, (len(seq) - 1) // self.block_size):
            if self._keys(seq, number + 1)[number] not in self._evicted:
                break
            num_blocks += 1
        return num_blocks * self.block_size

    def can_grow(self, seq: Sequence, num_tokens: int) -> bool:
        """Whether blocks for *num_tokens* tokens in all can be had now."""
        missing = self.blocks_for(num_tokens) - len(seq.block_table)
        return missing <= 0 or missing <= self.num_free_blocks

    def grow(self, seq: Sequence, num_tokens: int) -> None:
        """Give *seq* blocks for *num_tokens* tokens in all.

        Raises: OutOfBlocks, having changed nothing.
        """
        missing = self.blocks_for(num_tokens) - len(seq.block_table)
        if missing <= 0:  # so it is for most tokens of most sequences
            return
        if missing > self.num_free_blocks:
            raise OutOfBlocks(f"{missing} KV blocks wanted, {self.num_free_blocks} free")
        taken = self._take(missing)
        self._holders.update(dict.fromkeys(taken, 1))
        seq.block_table += taken

    def register_full_blocks(self, seq: Sequence) -> None:
        """Make the blocks that *seq* has filled since the last call findable as a prefix."""
        if not self._enable_prefix_caching:
            return
        num_full = seq.num_computed_tokens // self.block_size
        if num_full <= seq.num_findable_blocks:
            return
        keys = self._keys(seq, num_full)
        for number in range(seq.num_findable_blocks, num_full):
            key = keys[number]
            if key not in self._block_of_key:
                block = seq.block_table[number]
                self._evicted.pop(key, None)
                self._block_of_key[key] = block
                self._content[block] = self._content_of(seq, number)
        seq.num_findable_blocks = num_full

    def release(self, seq: Sequence) -> None:
        """Take all blocks back; full ones stay findable, the end of a sequence is evicted before its beginning."""
        for block in reversed(seq.block_table):
            self._holders[block] -= 1
            if self._holders[block]:
                continue
            del self._holders[block]
            if block in self._content:
                self._cached[block] = None
            else:
                self._free.append(block)
        seq.block_table.clear()
        seq.num_computed_tokens = 0
        seq.num_findable_blocks = 0

    def _hold(self, block: int) -> None:
        self._cached.pop(block, None)
        self._holders[block] = self._holders.get(block, 0) + 1

    def _take(self, number: int) -> list[int]:
        """That many blocks: free ones, then those whose last use is longest ago."""
        free, cached, content, evicted = self._free, self._cached, self._content, self._evicted
        taken = [free.popleft() for _ in range(min(number, len(free)))]
        for _ in range(number - len(taken)):
            block, _none = cached.popitem(last=False)
            key = content.pop(block)[0]
            del self._block_of_key[key]
            evicted[key] = None
            taken.append(block)
        for _ in range(len(evicted) - REMEMBERED * self.num_blocks):
            evicted.popitem(last=False)
        return taken

    def _keys(self, seq: Sequence, num_blocks: int) -> list[bytes]:
        """The keys of at least the first *num_blocks* blocks of *seq*; each stands for everything up to its end."""
        keys = seq.block_keys
        for start in range(len(keys) * self.block_size, num_blocks * self.block_size, self.block_size):
            tokens = self._packed.pack(*seq.token_ids[start : start + self.block_size])
            keys.append(_key(keys[-1] if keys else b"", tokens))
        return keys

    def _content_of(self, seq: Sequence, number: int) -> _Content:
        start = number * self.block_size
        parent = seq.block_keys[number - 1] if number else b""
        return seq.block_keys[number], parent, tuple(seq.token_ids[start : start + self.block_size])


def _key(parent: bytes, tokens: bytes) -> bytes:
    return hashlib.blake2b(parent + tokens, digest_size=16).digest()
