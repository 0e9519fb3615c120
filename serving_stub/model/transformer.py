"""The Llama stack: one forward pass over a flat batch of tokens from any mix of sequences.

Query, key and value projections are one matrix, gate and up another, so that a step reads each weight once in few
large products. Only the rows that will be sampled reach the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from serving_stub.model.attention import AttentionMetadata, KVCache, attend
from serving_stub.model.config import ModelConfig
from serving_stub.model.gguf import State
from serving_stub.model.layers import Rotary, gated, rotate


@dataclass(frozen=True, slots=True)
class _Layer:
    attention_norm: torch.Tensor
    qkv: torch.Tensor
    output: torch.Tensor
    ffn_norm: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


class Transformer:
    """A Llama with its weights in one dtype, on the CPU."""

    def __init__(self, config: ModelConfig, state: State, dtype: torch.dtype) -> None:
        def weight(name: str) -> torch.Tensor:
            return state[f"{name}.weight"].to(dtype)

        def joined(layer: int, *names: str) -> torch.Tensor:
            return torch.cat([weight(f"blk.{layer}.{name}") for name in names])

        self.config = config
        self.dtype = dtype
        self._embedding = weight("token_embd")
        self._final_norm = weight("output_norm")
        self._layers = [
            _Layer(
                attention_norm=weight(f"blk.{i}.attn_norm"),
                qkv=joined(i, "attn_q", "attn_k", "attn_v"),
                output=weight(f"blk.{i}.attn_output"),
                ffn_norm=weight(f"blk.{i}.ffn_norm"),
                gate_up=joined(i, "ffn_gate", "ffn_up"),
                down=weight(f"blk.{i}.ffn_down"),
            )
            for i in range(config.num_layers)
        ]
        self._rotary = Rotary(config, dtype)

    def forward(
        self,
        token_ids: torch.Tensor,
        positions: torch.Tensor,
        cache: KVCache,
        metadata: AttentionMetadata,
        logit_rows: torch.Tensor,
    ) -> torch.Tensor:
        """Logits [R, vocab_size] in fp32 of the rows *logit_rows* [R]; fills the cache on the way.

        Shapes: token_ids [N], positions [N]; decoding rows first, then the prefill chunks.
        """
        c = self.config
        heads = (c.num_heads + c.num_kv_heads) * c.head_dim
        cos, sin = self._rotary.at(positions)
        x = F.embedding(token_ids, self._embedding)
        for index, layer in enumerate(self._layers):
            qkv = F.linear(self._norm(x, layer.attention_norm), layer.qkv)
            qk = rotate(qkv[:, :heads].view(-1, c.num_heads + c.num_kv_heads, c.head_dim), cos, sin)
            v = qkv[:, heads:].view(-1, c.num_kv_heads, c.head_dim)
            cache.write(index, metadata.slot_mapping, qk[:, c.num_heads :], v)
            x = x + F.linear(attend(qk[:, : c.num_heads], cache, index, metadata, c), layer.output)
            x = x + F.linear(gated(F.linear(self._norm(x, layer.ffn_norm), layer.gate_up)), layer.down)
        return F.linear(self._norm(x[logit_rows], self._final_norm), self._embedding).float()

    def _norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, (self.config.hidden_size,), weight, self.config.norm_eps)
