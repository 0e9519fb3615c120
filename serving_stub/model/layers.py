"""The small pieces of a Llama layer: rotary positions and the gated feed-forward product."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from serving_stub.model.config import ModelConfig


class Rotary:
    """Rotary position embedding in half-split order.

    Source: Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding", section 3.4.
    """

    def __init__(self, config: ModelConfig, dtype: torch.dtype, device: torch.device) -> None:
        steps = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
        angles = torch.outer(torch.arange(config.max_model_len, dtype=torch.float32), config.rope_base**-steps)
        self._cos = angles.cos().to(device, dtype)
        self._sin = angles.sin().to(device, dtype)

    def at(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosine and sine, each [N, 1, D/2], of *positions* [N]."""
        return self._cos[positions].unsqueeze(1), self._sin[positions].unsqueeze(1)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotate heads x [N, heads, D] by the angles of their positions."""
    left, right = x.chunk(2, dim=-1)
    return torch.cat((left * cos - right * sin, right * cos + left * sin), dim=-1)


def gated(gate_and_up: torch.Tensor) -> torch.Tensor:
    """SwiGLU of a fused projection: [N, 2*F] → [N, F]."""
    gate, up = gate_and_up.chunk(2, dim=-1)
    return F.silu(gate) * up
