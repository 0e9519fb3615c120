"""A model's sizes and what else its forward pass must know."""

from __future__ import annotations

from dataclasses import dataclass

from serving_stub.model.shape import ModelShape


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig(ModelShape):
    """See `gguf.py` for where it is read and `tiny.py` for a small seeded one."""

    rope_base: float
    norm_eps: float
    max_model_len: int
