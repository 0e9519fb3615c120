"""The Llama stack: one forward pass over a flat batch of tokens from any mix of sequences.

Query, key and value projections are one matrix, gate and up another, so that a step reads each weight once in few
large products. Only the rows that will be sampled reach the head. In bf16 with kernels the same pass is made of fewer
and faster pieces; which of the two computes is decided once, when the model is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from serving_stub.model.attention import CPU, AttentionMetadata, KVCache, attend
from serving_stub.model.config import ModelConfig
from serving_stub.model.gguf import State
from serving_stub.model.layers import Rotary, gated, rotate
from serving_stub.model.linear import Linear, Product, choose_ways, to_linear
from serving_stub.model.native.kernels import Kernels

HEAD = "output"
"""GGUF's name of a head with weights of its own; without it the embedding is the head."""


@dataclass(frozen=True, slots=True)
class _Layer:
    attention_norm: torch.Tensor
    qkv: Product
    output: Product
    ffn_norm: torch.Tensor
    gate_up: Product
    down: Product


class Transformer:
    """A Llama with its weights in one dtype, on one device.

    Args:
        kernels: compute what they can in bf16 on the CPU; None leaves everything to torch.
        multiply: how to multiply with a matrix, asked for qkv, output, gate and up, and down of each layer and then the
            head; None takes the fastest way in *dtype*.
    """

    def __init__(
        self,
        config: ModelConfig,
        state: State,
        dtype: torch.dtype,
        kernels: Kernels | None = None,
        *,
        multiply: Callable[[torch.Tensor], Product] | None = None,
        device: torch.device = CPU,
    ) -> None:
        kernels = kernels if dtype is torch.bfloat16 and device.type == "cpu" else None
        linears: list[Linear] = []

        def product(matrix: torch.Tensor) -> Product:
            if multiply is not None:
                return multiply(matrix)
            linears.append(to_linear(matrix, kernels))
            return linears[-1]

        def weight(name: str) -> torch.Tensor:
            return state[f"{name}.weight"].to(device, dtype)

        def joined(layer: int, *names: str) -> torch.Tensor:
            return torch.cat([weight(f"blk.{layer}.{name}") for name in names])

        self.config = config
        self.dtype = dtype
        self.device = device
        self._embedding = weight("token_embd")
        self._final_norm = weight("output_norm")
        self._layers = [
            _Layer(
                attention_norm=weight(f"blk.{i}.attn_norm"),
                qkv=product(joined(i, "attn_q", "attn_k", "attn_v")),
                output=product(weight(f"blk.{i}.attn_output")),
                ffn_norm=weight(f"blk.{i}.ffn_norm"),
                gate_up=product(joined(i, "ffn_gate", "ffn_up")),
                down=product(weight(f"blk.{i}.ffn_down")),
            )
            for i in range(config.num_layers)
        ]
        self._rotary = Rotary(config, dtype, device)
        self._kernels = kernels
        self._head = product(weight(HEAD) if f"{HEAD}.weight" in state else self._embedding)
        samples = [layer.gate_up for layer in self._layers if isinstance(layer.gate_up, Linear)]
        self.ways = choose_ways(linears, samples, dtype) if samples else {}

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
        if self._kernels is not None:
            return self._forward_with(self._kernels, token_ids, positions, cache, metadata, logit_rows)
        cos, sin = self._rotary.at(positions)
        x = F.embedding(token_ids, self._embedding)
        for index, layer in enumerate(self._layers):
            qkv = layer.qkv(self._norm(x, layer.attention_norm))
            x = x + layer.output(self._attend(qkv, cos, sin, cache, index, metadata))
            x = x + layer.down(gated(layer.gate_up(self._norm(x, layer.ffn_norm))))
        return self._head(self._norm(x[logit_rows], self._final_norm)).float()

    def _attend(
        self,
        qkv: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        cache: KVCache,
        layer: int,
        metadata: AttentionMetadata,
    ) -> torch.Tensor:
        c = self.config
        heads = (c.num_heads + c.num_kv_heads) * c.head_dim
        qk = rotate(qkv[:, :heads].view(-1, c.num_heads + c.num_kv_heads, c.head_dim), cos, sin)
        v = qkv[:, heads:].view(-1, c.num_kv_heads, c.head_dim)
        cache.write(layer, metadata.slot_mapping, qk[:, c.num_heads :], v)
        return attend(qk[:, : c.num_heads], cache, layer, metadata, c)

    def _forward_with(
        self,
        kernels: Kernels,
        token_ids: torch.Tensor,
        positions: torch.Tensor,
        cache: KVCache,
        metadata: AttentionMetadata,
        logit_rows: torch.Tensor,
    ) -> torch.Tensor:
        c, d = self.config, metadata.num_decodes
        cos, sin = self._rotary.at(positions)
        prefills = metadata.prefills_alone()
        x = F.embedding(token_ids, self._embedding)
        h = kernels.add_norm(x, None, self._layers[0].attention_norm, c.norm_eps)
        next_norms = [layer.attention_norm for layer in self._layers[1:]] + [self._final_norm]
        for index, (layer, next_norm) in enumerate(zip(self._layers, next_norms, strict=True)):
            qkv = layer.qkv(h)
            mixed = torch.empty(len(token_ids), c.num_heads * c.head_dim, dtype=self.dtype)
            if metadata.decode_block_tables is not None:
                pool = cache.keys[index], cache.values[index]
                tables = metadata.decode_block_tables
                kernels.attend(qkv[:d], (cos[:d], sin[:d]), positions[:d], tables, pool, c.num_heads, mixed[:d])
            if prefills is not None:
                mixed[d:] = self._attend(qkv[d:], cos[d:], sin[d:], cache, index, prefills)
            h = kernels.add_norm(x, layer.output(mixed), layer.ffn_norm, c.norm_eps)
            fed = kernels.gated(layer.gate_up(h))
            h = kernels.add_norm(x, layer.down(fed), next_norm, c.norm_eps)
        return self._head(h[logit_rows]).float()

    def _norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, (self.config.hidden_size,), weight, self.config.norm_eps)
