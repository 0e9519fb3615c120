"""Sizes of a Llama-shaped model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Sizes; see `gguf.py` for where they are read and `tiny.py` for a small seeded one."""

    name: str
    num_layers: int
    hidden_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    ffn_size: int
    vocab_size: int
    rope_base: float
    norm_eps: float
    max_model_len: int

    @property
    def num_layer_parameters(self) -> int:
        """Weights of all layers: every token of a step is multiplied with them."""
        attention = self.hidden_size * self.head_dim * (2 * self.num_heads + 2 * self.num_kv_heads)
        return self.num_layers * (attention + 3 * self.hidden_size * self.ffn_size)

    @property
    def num_head_parameters(self) -> int:
        """Weights of the tied head: only tokens whose logits are wanted are multiplied with them."""
        return self.vocab_size * self.hidden_size

    def kv_bytes_per_token(self, element_bytes: int) -> int:
        """Bytes of keys and values that one token leaves in the cache."""
        return 2 * self.num_layers * self.num_kv_heads * self.head_dim * element_bytes
