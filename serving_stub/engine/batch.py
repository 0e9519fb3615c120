"""Turns a schedule into the tensors of one forward pass.

torch keeps code that it made for every shape it has met, and never lets it go. So lengths are rounded up here, with
masked positions: a server that has seen prompts of every length must not be larger for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from serving_stub.engine.scheduler import Schedule, ScheduledSequence
from serving_stub.model.attention import AttentionMetadata, PrefillChunk
from serving_stub.model.config import ModelConfig

ROWS = 16
BLOCKS = 4
"""To multiples of these, rows of a prefill chunk and blocks that are read are rounded up."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One forward pass.

    Shapes: token_ids, positions [N]; logit_rows [R], one for each item of `sampled`, in order.
    """

    token_ids: torch.Tensor
    positions: torch.Tensor
    metadata: AttentionMetadata
    logit_rows: torch.Tensor
    sampled: list[ScheduledSequence]

    def to(self, device: torch.device) -> Batch:
        """The same where the model is."""
        if device.type == "cpu":
            return self
        return Batch(
            self.token_ids.to(device),
            self.positions.to(device),
            self.metadata.to(device),
            self.logit_rows.to(device),
            self.sampled,
        )


def build_batch(step: Schedule, config: ModelConfig, block_size: int, dtype: torch.dtype) -> Batch:
    """The tensors of *step*: decodes first, then each prefill chunk."""
    token_ids: list[int] = []
    positions: list[int] = []
    slots: list[int] = []
    logit_rows: list[int] = []
    sampled: list[ScheduledSequence] = []
    prefills: list[PrefillChunk] = []
    groups = config.num_heads // config.num_kv_heads
    for item in step.work:
        seq, first = item.seq, item.seq.num_computed_tokens
        last = first + item.num_tokens
        start = len(token_ids)
        token_ids += seq.token_ids[first:last]
        positions += range(first, last)
        slots += [seq.block_table[p // block_size] * block_size + p % block_size for p in range(first, last)]
        if item.is_sampled:
            logit_rows.append(len(token_ids) - 1)
            sampled.append(item)
        if start >= len(step.decodes):
            used = seq.block_table[: -(-last // block_size)]
            table = torch.tensor(used + used[:1] * (_rounded(len(used), BLOCKS) - len(used)))
            mask = _causal_mask(first, last, table.numel() * block_size, dtype).repeat(groups, 1)
            prefills.append(PrefillChunk(start, len(token_ids), table, mask))
    tables, decode_mask = _decode_tables(step.decodes, block_size, dtype)
    return Batch(
        token_ids=torch.tensor(token_ids),
        positions=torch.tensor(positions),
        metadata=AttentionMetadata(torch.tensor(slots), len(step.decodes), tables, decode_mask, tuple(prefills)),
        logit_rows=torch.tensor(logit_rows, dtype=torch.long),
        sampled=sampled,
    )


def _decode_tables(
    decodes: list[ScheduledSequence], block_size: int, dtype: torch.dtype
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    if not decodes:
        return None, None
    lengths = torch.tensor([len(item.seq) for item in decodes])
    width = _rounded(-(-int(lengths.max()) // block_size), BLOCKS)
    rows = [item.seq.block_table[:width] for item in decodes]
    tables = torch.tensor([row + [row[0]] * (width - len(row)) for row in rows])
    visible = torch.arange(width * block_size)[None] < lengths[:, None]
    mask = torch.zeros(visible.shape, dtype=dtype).masked_fill_(~visible, float("-inf"))
    return tables, mask[:, None, None]


def _causal_mask(first: int, last: int, width: int, dtype: torch.dtype) -> torch.Tensor:
    # Rows beyond the chunk see what its first row sees: a row that sees nothing would be no number.
    positions = torch.full((_rounded(last - first, ROWS),), first)
    positions[: last - first] = torch.arange(first, last)
    visible = torch.arange(width)[None] <= positions[:, None]
    return torch.zeros(visible.shape, dtype=dtype).masked_fill_(~visible, float("-inf"))


def _rounded(number: int, step: int) -> int:
    return -(-number // step) * step
