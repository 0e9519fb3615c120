"""Operations and bytes of a step, written out by hand for the tiny model."""

from __future__ import annotations

from serving_stub.engine.block_manager import BlockManager
from serving_stub.engine.interface import GenerationRequest
from serving_stub.engine.scheduler import Schedule, Scheduler
from serving_stub.engine.sequence import Sequence
from serving_stub.engine.work import count_work
from serving_stub.model.tiny import CONFIG

LAYERS = 2 * (64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 128)
"""Two layers: q and output 64x64, k and v 64x32, gate, up and down 64x128."""
HEAD = 259 * 64
KV_TOKEN = 2 * 2 * 2 * 16 * 2
"""Keys and values of two layers, two heads of 16, two bytes each."""


def scheduler() -> Scheduler:
    return Scheduler(BlockManager(16, 16, enable_prefix_caching=False), 8, 16)


def test_a_chunk_that_is_not_the_last_skips_the_head() -> None:
    """16 of 20 prompt tokens: no logits are wanted, so the head is neither multiplied nor read."""
    s = scheduler()
    s.add(Sequence(GenerationRequest("a", tuple(range(20))), arrived_at=0.0))
    work = count_work(s.schedule(), CONFIG, 2, 2)
    assert work.flops == 2 * LAYERS * 16 + 4 * 16 * 16 * 64 * 2
    assert work.bytes_read == LAYERS * 2 + 16 * KV_TOKEN
    assert work.bytes_written == 16 * KV_TOKEN


def test_decoding_reads_the_weights_once_for_all_rows() -> None:
    """Three rows with 5 tokens of context each: weights once, keys and values three times."""
    s = scheduler()
    for name in "abc":
        seq = Sequence(GenerationRequest(name, (1, 2, 3, 4)), arrived_at=0.0)
        s.add(seq)
    for item in s.schedule().work:
        s.computed(item)
        item.seq.token_ids.append(5)
    work = count_work(s.schedule(), CONFIG, 2, 2)
    assert work.flops == 2 * (LAYERS + HEAD) * 3 + 4 * 15 * 64 * 2
    assert work.bytes_read == (LAYERS + HEAD) * 2 + 15 * KV_TOKEN
    assert work.bytes_written == 3 * KV_TOKEN


def test_a_step_without_work_moves_nothing() -> None:
    """An empty step has no operations and no bytes."""
    work = count_work(Schedule(), CONFIG, 2, 2)
    assert (work.flops, work.bytes_read, work.bytes_written) == (0.0, 0.0, 0.0)
