"""The engine's settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Names and meanings are vLLM's where it has them.

    Args:
        max_num_seqs: the largest batch; also the base value of the batch limit.
        max_num_batched_tokens: tokens of one step, prefill and decode together.
        num_blocks: KV blocks in the pool; together with block_size the whole KV capacity.
        max_model_len: the longest prompt plus answer, tokens.
        cache_dir: folder of the model file; None is the usual cache folder.
    """

    model: Literal["smollm2", "tiny"] = "smollm2"
    dtype: Literal["bf16", "fp32"] = "bf16"
    max_num_seqs: int = 32
    max_num_batched_tokens: int = 256
    block_size: int = 16
    num_blocks: int = 1024
    max_model_len: int = 2048
    num_threads: int = 2
    seed: int = 0
    enable_prefix_caching: bool = True
    cache_dir: Path | None = None
