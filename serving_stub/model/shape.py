"""The sizes of a Llama-shaped model that decide what serving it costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """Sizes; norms and biases are left out of all sums, being less than a thousandth of the rest."""

    name: str
    num_layers: int
    hidden_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    ffn_size: int
    vocab_size: int
    is_head_tied: bool = True

    @property
    def num_layer_parameters(self) -> int:
        """Weights of all layers: every token of a step is multiplied with them."""
        attention = self.hidden_size * self.head_dim * (2 * self.num_heads + 2 * self.num_kv_heads)
        return self.num_layers * (attention + 3 * self.hidden_size * self.ffn_size)

    @property
    def num_head_parameters(self) -> int:
        """Weights of the head: only tokens whose logits are wanted are multiplied with them."""
        return self.vocab_size * self.hidden_size

    @property
    def num_parameters(self) -> int:
        """All weights that memory must hold: with a head of its own the embedding counts too."""
        embedding = 0 if self.is_head_tied else self.num_head_parameters
        return self.num_layer_parameters + self.num_head_parameters + embedding

    def kv_bytes_per_token(self, element_bytes: int) -> int:
        """Bytes of keys and values that one token leaves in the cache."""
        return 2 * self.num_layers * self.num_kv_heads * self.head_dim * element_bytes

    def attention_flops(self, context: float) -> float:
        """Operations by which one token looks at *context* others, in all layers: scores, then the mix of values."""
        return 4.0 * context * self.num_heads * self.head_dim * self.num_layers
