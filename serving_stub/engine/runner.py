"""Runs one step on the model: one new token for each sequence whose share reached its end.

Mechanism without decisions: what to compute was decided by the scheduler, what the tokens mean is the engine's matter.
"""

from __future__ import annotations

from typing import Protocol

import torch

from serving_stub.engine.batch import Batch, build_batch
from serving_stub.engine.graphs import SCRATCH_BLOCKS, Capture, DecodeGraphs, capture_on_cuda
from serving_stub.engine.sampler import sample
from serving_stub.engine.scheduler import Schedule
from serving_stub.engine.sequence import Sequence
from serving_stub.model.attention import KVCache
from serving_stub.model.transformer import Transformer


class Runner(Protocol):
    """Whatever computes a step."""

    def run(self, step: Schedule) -> list[tuple[Sequence, int | None]]:
        """Compute the step; answers the next token of each sampled sequence, None where the model gave no number."""
        ...

    def reset(self) -> None:
        """Forget all keys and values."""
        ...


class TorchRunner:
    """Runs steps on a torch model with one preallocated KV pool.

    Args:
        capture: how decoding steps become graphs; None computes each step anew, as a CPU does.
    """

    def __init__(
        self,
        model: Transformer,
        num_blocks: int,
        block_size: int,
        seed: int,
        num_swap_blocks: int = 0,
        *,
        capture: Capture | None = None,
    ) -> None:
        self._model = model
        self._block_size = block_size
        self._seed = seed
        self._num_blocks = num_blocks
        self._num_swap_blocks = num_swap_blocks
        self._capture = capture
        self.reset()

    def reset(self) -> None:
        """Forget all keys and values: zeros again, for a stray NaN would outlive whoever wrote it."""
        config, dtype, device = self._model.config, self._model.dtype, self._model.device
        scratch = 0 if self._capture is None else SCRATCH_BLOCKS
        self._cache = KVCache(config, self._num_blocks + scratch, self._block_size, dtype, device)
        self._host = KVCache(config, self._num_swap_blocks, self._block_size, dtype, is_pinned=device.type == "cuda")
        self._graphs = (
            None
            if self._capture is None
            else DecodeGraphs(self._model, self._cache, self._block_size, self._num_blocks, self._capture)
        )

    @torch.inference_mode()
    def run(self, step: Schedule) -> list[tuple[Sequence, int | None]]:
        if step.swap_out:
            self._host.copy_blocks(
                [copy.host_block for copy in step.swap_out], self._cache, [copy.pool_block for copy in step.swap_out]
            )
        if step.swap_in:
            self._cache.copy_blocks(
                [copy.pool_block for copy in step.swap_in], self._host, [copy.host_block for copy in step.swap_in]
            )
        if not step.work:
            return []
        batch = build_batch(step, self._model.config, self._block_size, self._model.dtype)
        sequences = [item.seq for item in batch.sampled]
        return list(zip(sequences, sample(self._logits(batch), sequences, self._seed), strict=True))

    def _logits(self, batch: Batch) -> torch.Tensor:
        if self._graphs is not None and batch.metadata.num_decodes == len(batch.token_ids):
            return self._graphs.logits(batch)
        here = batch.to(self._model.device)
        return self._model.forward(here.token_ids, here.positions, self._cache, here.metadata, here.logit_rows)


def graphs_for(device: torch.device) -> Capture | None:
    """Graphs on a GPU, where starting thirty layers of small kernels costs more than they compute."""
    return capture_on_cuda if device.type == "cuda" else None
