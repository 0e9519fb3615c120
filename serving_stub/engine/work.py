"""Counts what a step had to do: operations and bytes, from its shapes.

A product with a weight of P parameters takes 2·P operations a row (the head's only for rows whose logits are wanted);
attention adds 4·context·hidden a row and layer. A step reads every weight once, whatever the batch, and the keys and
values of each context: that is why a larger batch raises the arithmetic intensity.
Source: Pope et al. 2022, "Efficiently Scaling Transformer Inference", section 2.
"""

from __future__ import annotations

from dataclasses import dataclass

from serving_stub.engine.scheduler import Schedule
from serving_stub.model.shape import ModelShape


@dataclass(frozen=True, slots=True)
class StepWork:
    """Operations and bytes of one step."""

    flops: float
    bytes_read: float
    bytes_written: float


def count_work(step: Schedule, config: ModelShape, weight_bytes: int, kv_element_bytes: int) -> StepWork:
    """What *step* has to do; call it before the step's tokens count as computed."""
    tokens = sum(item.num_tokens for item in step.work)
    num_sampled = sum(item.is_sampled for item in step.work)
    contexts = 0
    attention = 0
    for item in step.work:
        context = item.seq.num_computed_tokens + item.num_tokens
        contexts += context
        attention += item.num_tokens * context
    attention_flops = config.attention_flops(attention)
    kv_bytes = config.kv_bytes_per_token(kv_element_bytes)
    weights_read = (config.num_layer_parameters if tokens else 0) + (config.num_head_parameters if num_sampled else 0)
    return StepWork(
        flops=2.0 * (config.num_layer_parameters * tokens + config.num_head_parameters * num_sampled) + attention_flops,
        bytes_read=float(weights_read * weight_bytes + contexts * kv_bytes),
        bytes_written=float(tokens * kv_bytes),
    )
