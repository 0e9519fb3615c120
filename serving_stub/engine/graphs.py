"""Decoding steps as graphs: on a GPU a step of a few rows is thirty layers of small kernels, and starting them one by
one costs more than they compute. A graph is captured once for each rounded shape and replayed from then on.

A graph's tensors never move, so a step's are copied into them; rows beyond the batch write to a block that nobody
reads. Shapes are rounded to powers of two, so there are few, and one is captured when it is met for the second time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from serving_stub.engine.batch import Batch
from serving_stub.model.attention import AttentionMetadata, KVCache
from serving_stub.model.transformer import Transformer

SCRATCH_BLOCKS = 1
"""Blocks behind the pool that rows beyond the batch write to."""
WARM_UP = 3
"""Runs before a capture, so that whatever is set up at first use is not captured. The number is torch's own advice."""

Replay = Callable[[], torch.Tensor]
Capture = Callable[[Callable[[], torch.Tensor]], Replay]
"""Makes a function over tensors that never move into one that does the same again."""


@dataclass(frozen=True, slots=True)
class _Graph:
    """One captured shape: where to put a step's tensors, and what to call.

    Shapes: token_ids, positions, slots [B]; block_tables [B, W].
    """

    token_ids: torch.Tensor
    positions: torch.Tensor
    slots: torch.Tensor
    block_tables: torch.Tensor
    replay: Replay


class DecodeGraphs:
    """Logits of decoding steps, by graph.

    Args:
        cache: with SCRATCH_BLOCKS more than the *num_blocks* of its pool.
        capture: `capture_on_cuda`; another one where there is no GPU to capture on.
    """

    def __init__(self, model: Transformer, cache: KVCache, block_size: int, num_blocks: int, capture: Capture) -> None:
        self._model = model
        self._cache = cache
        self._block_size = block_size
        self._scratch_slot = num_blocks * block_size
        self._scratch_block = num_blocks
        self._capture = capture
        self._graphs: dict[tuple[int, int], _Graph] = {}
        self._met: set[tuple[int, int]] = set()

    def logits(self, batch: Batch) -> torch.Tensor:
        """Logits [R, vocab_size] of a batch that only decodes."""
        tables = batch.metadata.decode_block_tables
        assert tables is not None
        shape = _power_of_two(tables.shape[0]), _power_of_two(tables.shape[1])
        graph = self._graphs.get(shape)
        if graph is None:
            if shape not in self._met:
                self._met.add(shape)
                return self._eager(batch)
            graph = self._graphs[shape] = self._new_graph(*shape)
        rows, width = tables.shape
        graph.token_ids[:rows].copy_(batch.token_ids)
        graph.positions[:rows].copy_(batch.positions)
        graph.positions[rows:].zero_()
        graph.slots[:rows].copy_(batch.metadata.slot_mapping)
        graph.slots[rows:].fill_(self._scratch_slot)
        graph.block_tables[:rows, :width].copy_(tables)
        # What lies beyond a row's length is masked; it only has to be a block.
        graph.block_tables[:rows, width:].fill_(self._scratch_block)
        graph.block_tables[rows:].fill_(self._scratch_block)
        return graph.replay()[batch.logit_rows.to(self._model.device)]

    def _eager(self, batch: Batch) -> torch.Tensor:
        here = batch.to(self._model.device)
        return self._model.forward(here.token_ids, here.positions, self._cache, here.metadata, here.logit_rows)

    def _new_graph(self, rows: int, width: int) -> _Graph:
        device = self._model.device
        token_ids, positions = (torch.zeros(rows, dtype=torch.long, device=device) for _ in range(2))
        slots = torch.full((rows,), self._scratch_slot, device=device)
        block_tables = torch.full((rows, width), self._scratch_block, device=device)
        everybody = torch.arange(rows, device=device)
        places = torch.arange(width * self._block_size, device=device)

        def forward() -> torch.Tensor:
            visible = places[None] <= positions[:, None]
            mask = torch.zeros(visible.shape, dtype=self._model.dtype, device=device)
            mask = mask.masked_fill(~visible, float("-inf"))[:, None, None]
            metadata = AttentionMetadata(slots, rows, block_tables, mask, ())
            return self._model.forward(token_ids, positions, self._cache, metadata, everybody)

        return _Graph(token_ids, positions, slots, block_tables, self._capture(forward))


def capture_on_cuda(function: Callable[[], torch.Tensor]) -> Replay:
    """Capture *function* as a CUDA graph.

    Source: PyTorch documentation, "CUDA semantics", section CUDA Graphs.
    """
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            function()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        answer = function()

    def replay() -> torch.Tensor:
        graph.replay()
        return answer

    return replay


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()
