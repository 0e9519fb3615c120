"""Counts what a step had to do: operations and bytes, from its shapes.

A product with a weight of P parameters takes 2·P operations a row (the head's only for rows whose logits are wanted);
attention adds 4·context·hidden a row and layer. A step reads every weight once, whatever the batch, and the keys and
values of each context: that is why a larger batch raises the arithmetic intensity.
Source: Pope et al. 2022, "Efficiently Scaling Transformer Inference", section 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from serving_stub.engine.scheduler import Schedule, ScheduledSequence
from serving_stub.model.shape import ModelShape


@dataclass(frozen=True, slots=True)
class StepWork:
    """Operations and bytes of one step."""

    flops: float
    bytes_read: float
    bytes_written: float


class StepSums(NamedTuple):
    """All that a step's work depends on.

    Args:
        contexts: tokens whose keys and values are read, each sequence's once.
        attended: the same, once for each row of the sequence.
    """

    num_tokens: int
    num_sampled: int
    contexts: int
    attended: int


def sums_of(items: Iterable[ScheduledSequence]) -> StepSums:
    """Of a step's shares; call it before their tokens count as computed."""
    tokens = num_sampled = contexts = attended = 0
    for seq, num_tokens in items:
        context = seq.num_computed_tokens + num_tokens
        tokens += num_tokens
        num_sampled += context == len(seq.token_ids)
        contexts += context
        attended += num_tokens * context
    return StepSums(tokens, num_sampled, contexts, attended)


def count_work(step: Schedule, config: ModelShape, weight_bytes: int, kv_element_bytes: int) -> StepWork:
    """What *step* has to do; call it before the step's tokens count as computed."""
    return work_of(sums_of(step.work), config, weight_bytes, kv_element_bytes)


def work_of(sums: StepSums, config: ModelShape, weight_bytes: int, kv_element_bytes: int) -> StepWork:
    """What a step of such *sums* has to do."""
    tokens, num_sampled, contexts, attended = sums
    attention_flops = config.attention_flops(attended)
    kv_bytes = config.kv_bytes_per_token(kv_element_bytes)
    weights_read = (config.num_layer_parameters if tokens else 0) + (config.num_head_parameters if num_sampled else 0)
    return StepWork(
        flops=2.0 * (config.num_layer_parameters * tokens + config.num_head_parameters * num_sampled) + attention_flops,
        bytes_read=float(weights_read * weight_bytes + contexts * kv_bytes),
        bytes_written=float(tokens * kv_bytes),
    )
