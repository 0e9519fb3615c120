"""Which preempted sequences are kept in host memory, and what is copied when."""

from __future__ import annotations

from serving_stub.engine.interface import GenerationRequest
from serving_stub.engine.sequence import Sequence
from serving_stub.engine.swap import BlockCopy, SwapSpace


def sequence(num_computed_tokens: int, block_table: list[int]) -> Sequence:
    """Somebody who has computed so much, in those blocks of four."""
    seq = Sequence(GenerationRequest("a", tuple(range(20))), arrived_at=0.0)
    seq.num_computed_tokens, seq.block_table = num_computed_tokens, block_table
    return seq


def test_only_what_was_computed_goes_out() -> None:
    """Nine tokens are three blocks of four; the fourth, taken for what was to come, stays."""
    space, seq = SwapSpace(8, 4, lambda _: True), sequence(9, [7, 5, 6, 2])
    assert space.take(seq) == [BlockCopy(7, 0), BlockCopy(5, 1), BlockCopy(6, 2)]
    assert (seq.num_swapped_tokens, space.num_free_blocks) == (9, 5)


def test_what_the_prefix_cache_spared_does_not_come_back() -> None:
    """One block was still in the pool; the other two are copied into new ones, and the room is free again."""
    space, seq = SwapSpace(8, 4, lambda _: True), sequence(9, [7, 5, 6])
    space.take(seq)
    seq.num_computed_tokens, seq.block_table = 4, [7, 3, 1]
    assert space.give_back(seq) == [BlockCopy(3, 1), BlockCopy(1, 2)]
    assert (seq.num_computed_tokens, seq.swap_table, space.num_free_blocks) == (9, [], 8)


def test_nothing_is_kept_without_room_or_reason() -> None:
    """Then the sequence is computed again, as if there were no host memory."""
    for space in (SwapSpace(2, 4, lambda _: True), SwapSpace(8, 4, lambda tokens: tokens > 9)):
        seq = sequence(9, [7, 5, 6])
        assert space.take(seq) == []
        assert (seq.num_swapped_tokens, space.num_free_blocks) == (0, space.num_blocks)
