"""KV blocks: taking, sharing, evicting and giving back."""

from __future__ import annotations

import pytest

from serving_stub.engine.block_manager import BlockManager, OutOfBlocks
from serving_stub.engine.interface import GenerationRequest
from serving_stub.engine.sequence import Sequence


def sequence(*token_ids: int) -> Sequence:
    return Sequence(GenerationRequest("r", token_ids), arrived_at=0.0)


def filled(blocks: BlockManager, seq: Sequence) -> Sequence:
    """*seq* with all its tokens in blocks."""
    blocks.adopt_prefix(seq)
    blocks.grow(seq, len(seq))
    seq.num_computed_tokens = len(seq)
    blocks.register_full_blocks(seq)
    return seq


def manager(num_blocks: int = 4, *, caching: bool = True) -> BlockManager:
    return BlockManager(num_blocks, 2, enable_prefix_caching=caching)


def test_growing_takes_whole_blocks() -> None:
    """Five tokens fill three blocks of two."""
    blocks = manager()
    seq = filled(blocks, sequence(1, 2, 3, 4, 5))
    assert len(seq.block_table) == 3
    assert (blocks.num_held_blocks, blocks.num_free_blocks, blocks.usage) == (3, 1, 0.75)


def test_growing_past_the_pool_changes_nothing() -> None:
    """What does not fit is refused before any block is taken."""
    blocks = manager()
    seq = sequence(*range(9))
    with pytest.raises(OutOfBlocks, match="5 KV blocks wanted, 4 free"):
        blocks.grow(seq, 9)
    assert seq.block_table == []
    assert blocks.num_free_blocks == 4


def test_a_running_sequence_shares_its_full_blocks() -> None:
    """A prefix is shared while its first holder still runs, and counted as held once."""
    blocks = manager()
    first = filled(blocks, sequence(1, 2, 3, 4, 5))
    second = sequence(1, 2, 3, 4, 9)
    assert blocks.adopt_prefix(second) == 4
    assert second.block_table == first.block_table[:2]
    assert [blocks.holders(block) for block in first.block_table] == [2, 2, 1]
    assert blocks.num_held_blocks == 3


def test_a_shared_block_is_kept_until_its_last_holder_leaves() -> None:
    """Releasing one of two holders frees only what it held alone."""
    blocks = manager()
    first = filled(blocks, sequence(1, 2, 3, 4, 5))
    second = filled(blocks, sequence(1, 2, 3, 4, 9))
    blocks.release(first)
    assert [blocks.holders(block) for block in second.block_table] == [1, 1, 1]
    blocks.release(second)
    assert blocks.num_held_blocks == 0


def test_a_whole_prompt_in_the_cache_leaves_its_last_block_to_compute() -> None:
    """At least one token is computed, since its logits are wanted."""
    blocks = manager()
    blocks.release(filled(blocks, sequence(1, 2, 3, 4)))
    assert blocks.adopt_prefix(sequence(1, 2, 3, 4)) == 2


def test_a_prefix_must_begin_at_the_first_token() -> None:
    """Equal tokens after a different beginning are not the same keys and values."""
    blocks = manager()
    blocks.release(filled(blocks, sequence(1, 2, 3, 4, 5)))
    assert blocks.adopt_prefix(sequence(9, 9, 3, 4, 5)) == 0


def test_equal_keys_with_other_tokens_are_no_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    """When two prefixes share a digest, the tokens decide."""
    monkeypatch.setattr("serving_stub.engine.block_manager._key", lambda parent, tokens: b"same")
    blocks = manager()
    blocks.release(filled(blocks, sequence(1, 2, 3)))
    assert blocks.adopt_prefix(sequence(7, 8, 9)) == 0
    assert blocks.adopt_prefix(sequence(1, 2, 9)) == 2


def test_the_least_recently_used_prefix_is_evicted_first() -> None:
    """A block that is needed comes from the prefix that nobody asked for longest, its end before its beginning."""
    blocks = manager()
    blocks.release(filled(blocks, sequence(1, 2, 3, 4)))
    blocks.release(filled(blocks, sequence(5, 6, 7, 8)))
    blocks.grow(sequence(0), 1)
    assert blocks.adopt_prefix(sequence(1, 2, 3, 4, 0)) == 2
    assert blocks.adopt_prefix(sequence(5, 6, 7, 8, 0)) == 4


def test_an_evicted_block_is_found_no_more() -> None:
    """A block that changed hands no longer answers for its old tokens."""
    blocks = manager(num_blocks=2)
    blocks.release(filled(blocks, sequence(1, 2, 3, 4)))
    taker = sequence(*range(10, 14))
    blocks.grow(taker, 4)
    assert blocks.num_cached_blocks == 0
    blocks.release(taker)
    assert blocks.adopt_prefix(sequence(1, 2, 3)) == 0


def test_without_prefix_caching_nothing_is_kept() -> None:
    """Every released block is free."""
    blocks = manager(caching=False)
    blocks.release(filled(blocks, sequence(1, 2, 3, 4)))
    assert blocks.num_cached_blocks == 0
    assert blocks.adopt_prefix(sequence(1, 2, 3, 4)) == 0
