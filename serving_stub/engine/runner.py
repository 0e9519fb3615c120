"""Runs one step on the model: one new token for each sequence whose share reached its end.

Mechanism without decisions: what to compute was decided by the scheduler, what the tokens mean is the engine's matter.
"""

from __future__ import annotations

from typing import Protocol

import torch

from serving_stub.engine.batch import build_batch
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
    """Runs steps on a torch model with one preallocated KV pool."""

    def __init__(
        self, model: Transformer, num_blocks: int, block_size: int, seed: int, num_swap_blocks: int = 0
    ) -> None:
        self._model = model
        self._block_size = block_size
        self._seed = seed
        self._num_blocks = num_blocks, num_swap_blocks
        self.reset()

    def reset(self) -> None:
        """Forget all keys and values: zeros again, for a stray NaN would outlive whoever wrote it."""
        self._cache, self._host = (
            KVCache(self._model.config, number, self._block_size, self._model.dtype) for number in self._num_blocks
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
        logits = self._model.forward(batch.token_ids, batch.positions, self._cache, batch.metadata, batch.logit_rows)
        sequences = [item.seq for item in batch.sampled]
        return list(zip(sequences, sample(logits, sequences, self._seed), strict=True))
