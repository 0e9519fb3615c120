"""One sequence through a model at once, without an engine: what calibration and comparisons need."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from serving_stub.model.attention import AttentionMetadata, KVCache, PrefillChunk
from serving_stub.model.transformer import Transformer


@torch.inference_mode()
def logits_of(model: Transformer, token_ids: Sequence[int]) -> torch.Tensor:
    """Logits of every position [S, vocab_size] in fp32."""
    length = len(token_ids)
    everybody = torch.arange(length)
    mask = torch.full((length, length), float("-inf"), dtype=model.dtype).triu(1)
    groups = model.config.num_heads // model.config.num_kv_heads
    chunk = PrefillChunk(0, length, torch.tensor([0]), mask.repeat(groups, 1))
    metadata = AttentionMetadata(everybody, 0, None, None, (chunk,))
    cache = KVCache(model.config, 1, length, model.dtype)
    return model.forward(torch.tensor(token_ids), everybody, cache, metadata, everybody)
