"""What a model on a device comes to: how much it can hold, when it turns compute-bound, and what to do with KV blocks.

Source of the counts: Pope et al. 2022, "Efficiently Scaling Transformer Inference", section 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from serving_stub.model.shape import ModelShape
from serving_stub.roofline.roof import Device, arithmetic_intensity

GPU_MEMORY_UTILIZATION = 0.9
"""The share of a device's memory that weights and KV cache may take together, vLLM's default."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model on a device, its weights and its cache in formats of so many bytes an element."""

    model: ModelShape
    device: Device
    weight_bytes: int
    kv_bytes: int

    @property
    def kv_bytes_per_token(self) -> int:
        return self.model.kv_bytes_per_token(self.kv_bytes)

    def kv_tokens(self, utilization: float = GPU_MEMORY_UTILIZATION) -> int | None:
        """Tokens whose keys and values fit beside the weights; 0 if not even those fit, None without a memory size."""
        if self.device.memory_bytes is None:
            return None
        left = self.device.memory_bytes * utilization - self.model.num_parameters * self.weight_bytes
        return max(0, math.floor(left / self.kv_bytes_per_token))

    def intensity(self, batch: float, context: float) -> float:
        """Operations per byte of a decode step: *batch* rows, each with *context* tokens in the cache."""
        flops = batch * self._flops_per_row(context)
        return arithmetic_intensity(flops, self._weights_read + batch * self._bytes_per_row(context))

    def decode_s(self, batch: float, context: float) -> float:
        """Seconds of such a step at best."""
        flops = batch * self._flops_per_row(context)
        return self.device.step_s(flops, self._weights_read + batch * self._bytes_per_row(context))

    def crossing_batch(self, context: float) -> int | None:
        """The smallest batch whose decode step is compute-bound; None if no batch is.

        Weights are read once however many rows there are, but each row reads its own keys and values: where those
        alone lie below the ridge, a larger batch never crosses it.
        """
        gained = self._flops_per_row(context) - self.device.ridge_point * self._bytes_per_row(context)
        return math.ceil(self.device.ridge_point * self._weights_read / gained) if gained > 0 else None

    def recompute_s(self, num_tokens: int) -> float:
        """Seconds of a prefill of *num_tokens* at best, as a recomputed sequence needs it."""
        flops = 2.0 * self.model.num_layer_parameters * num_tokens + self.model.attention_flops(num_tokens / 2) * (
            num_tokens
        )
        return self.device.step_s(flops, self.model.num_layer_parameters * self.weight_bytes)

    def swap_s(self, num_tokens: int) -> float:
        """Seconds to bring the keys and values of *num_tokens* to the host and back."""
        return 2.0 * num_tokens * self.kv_bytes_per_token / self.device.host_bytes_per_s

    def is_swap_cheaper(self, num_tokens: int) -> bool:
        """Whether a preempted sequence of *num_tokens* is had back sooner from the host than by computing it again."""
        return self.swap_s(num_tokens) < self.recompute_s(num_tokens)

    @property
    def _weights_read(self) -> int:
        return (self.model.num_layer_parameters + self.model.num_head_parameters) * self.weight_bytes

    def _flops_per_row(self, context: float) -> float:
        products = 2.0 * (self.model.num_layer_parameters + self.model.num_head_parameters)
        return products + self.model.attention_flops(context)

    def _bytes_per_row(self, context: float) -> float:
        return (context + 1) * self.kv_bytes_per_token
