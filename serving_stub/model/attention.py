"""Attention over the block pool: writes new keys and values into blocks, gathers each sequence's blocks to read.

The forward pass is told by `AttentionMetadata` where everything is; nothing here decides anything. Decoding rows are
read together, padded to the longest; each prefill chunk is read alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from serving_stub.model.config import ModelConfig

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class PrefillChunk:
    """One sequence's chunk in the flat batch.

    Shapes: block_table [num_blocks]; mask [G*S, num_blocks*block_size], 0 where a query may look, -inf elsewhere. The
        chunk may have fewer rows than S; what the others look at is of no account.
    """

    start: int
    end: int
    block_table: torch.Tensor
    mask: torch.Tensor


@dataclass(frozen=True, slots=True)
class AttentionMetadata:
    """Where the tokens of one step read and write. Decoding rows come first in the flat batch.

    Shapes: slot_mapping [N] (block * block_size + offset); decode_block_tables [B, num_blocks];
        decode_mask [B, 1, 1, num_blocks*block_size].
    """

    slot_mapping: torch.Tensor
    num_decodes: int
    decode_block_tables: torch.Tensor | None
    decode_mask: torch.Tensor | None
    prefills: tuple[PrefillChunk, ...]

    def to(self, device: torch.device) -> AttentionMetadata:
        """The same where the model is."""
        if device.type == "cpu":
            return self
        tables, mask = self.decode_block_tables, self.decode_mask
        return AttentionMetadata(
            self.slot_mapping.to(device),
            self.num_decodes,
            None if tables is None else tables.to(device),
            None if mask is None else mask.to(device),
            tuple(replace(c, block_table=c.block_table.to(device), mask=c.mask.to(device)) for c in self.prefills),
        )

    def prefills_alone(self) -> AttentionMetadata | None:
        """The same without the decoding rows, for a batch that begins after them; None if nothing is left."""
        if not self.prefills:
            return None
        d = self.num_decodes
        chunks = tuple(replace(chunk, start=chunk.start - d, end=chunk.end - d) for chunk in self.prefills)
        return AttentionMetadata(self.slot_mapping[d:], 0, None, None, chunks)


class KVCache:
    """One preallocated pool of KV blocks for all layers, zero at first.

    A masked position still meets the softmax's zero, and zero times a stray NaN of fresh memory would be NaN. On the
    CPU the zeros come from calloc, so a large pool's pages are committed only when they are touched.

    Args:
        is_pinned: host memory that a GPU copies from and to directly.
    Shapes: keys and values [num_layers, num_blocks, block_size, num_kv_heads, head_dim].
    """

    def __init__(
        self,
        config: ModelConfig,
        num_blocks: int,
        block_size: int,
        dtype: torch.dtype,
        device: torch.device = CPU,
        *,
        is_pinned: bool = False,
    ) -> None:
        shape = (config.num_layers, num_blocks, block_size, config.num_kv_heads, config.head_dim)
        self.keys = _zeros(shape, dtype, device, is_pinned=is_pinned)
        self.values = _zeros(shape, dtype, device, is_pinned=is_pinned)
        self._row = config.num_kv_heads * config.head_dim
        self._heads = (config.num_kv_heads, config.head_dim)

    def write(self, layer: int, slots: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> None:
        """Store k and v, each [N, num_kv_heads, head_dim], at *slots* [N]."""
        self.keys[layer].view(-1, self._row).index_copy_(0, slots, k.reshape(-1, self._row))
        self.values[layer].view(-1, self._row).index_copy_(0, slots, v.reshape(-1, self._row))

    def copy_blocks(self, blocks: list[int], source: KVCache, source_blocks: list[int]) -> None:
        """Fill *blocks* of every layer with *source_blocks* of another pool."""
        here, there = self.keys.device, source.keys.device
        to, of = torch.tensor(blocks, device=here), torch.tensor(source_blocks, device=there)
        self.keys.index_copy_(1, to, source.keys.index_select(1, of).to(here))
        self.values.index_copy_(1, to, source.values.index_select(1, of).to(here))

    def read(self, layer: int, block_tables: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of whole block tables [B, num_blocks], each [B, num_kv_heads, num_blocks*block_size, D]."""
        batch = block_tables.shape[0]
        flat = block_tables.reshape(-1)
        keys = self.keys[layer].index_select(0, flat).view(batch, -1, *self._heads)
        values = self.values[layer].index_select(0, flat).view(batch, -1, *self._heads)
        return keys.transpose(1, 2), values.transpose(1, 2)


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, *, is_pinned: bool) -> torch.Tensor:
    num_bytes = math.prod(shape) * dtype.itemsize
    if device.type != "cpu" or is_pinned or not num_bytes:
        return torch.zeros(shape, dtype=dtype, device=device, pin_memory=is_pinned and num_bytes > 0)
    return torch.from_numpy(np.zeros(num_bytes, dtype=np.uint8)).view(dtype).view(shape)


def attend(
    q: torch.Tensor, cache: KVCache, layer: int, metadata: AttentionMetadata, config: ModelConfig
) -> torch.Tensor:
    """Attention of q [N, num_heads, D] over the cached keys and values; answers [N, num_heads*D].

    Query heads that share a KV head are folded into the query axis, which spares plain torch from repeating keys.
    """
    groups = config.num_heads // config.num_kv_heads
    out = q.new_empty(q.shape[0], config.num_heads * config.head_dim)
    if metadata.num_decodes:
        assert metadata.decode_block_tables is not None
        keys, values = cache.read(layer, metadata.decode_block_tables)
        rows = q[: metadata.num_decodes].view(metadata.num_decodes, config.num_kv_heads, groups, config.head_dim)
        decoded = F.scaled_dot_product_attention(rows, keys, values, attn_mask=metadata.decode_mask)
        out[: metadata.num_decodes] = decoded.reshape(metadata.num_decodes, -1)
    for chunk in metadata.prefills:
        used, length = chunk.end - chunk.start, chunk.mask.shape[0] // groups
        keys, values = cache.read(layer, chunk.block_table.unsqueeze(0))
        rows = F.pad(q[chunk.start : chunk.end], (0, 0, 0, 0, 0, length - used))
        rows = rows.view(length, config.num_kv_heads, groups, config.head_dim)
        folded = rows.permute(1, 2, 0, 3).reshape(1, config.num_kv_heads, groups * length, config.head_dim)
        filled = F.scaled_dot_product_attention(folded, keys, values, attn_mask=chunk.mask)
        unfolded = filled.view(config.num_kv_heads, groups, length, config.head_dim).permute(2, 0, 1, 3)
        out[chunk.start : chunk.end] = unfolded[:used].reshape(used, -1)
    return out
