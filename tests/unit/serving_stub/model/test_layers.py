"""Rotary positions and the gated product, against their formulas written the other way."""

from __future__ import annotations

import torch

from serving_stub.model.attention import CPU
from serving_stub.model.layers import Rotary, gated, rotate
from serving_stub.model.tiny import CONFIG


def test_rotary_turns_each_pair_by_its_angle() -> None:
    """Half-split pairs as complex numbers times exp(i·position·frequency)."""
    x = torch.randn(3, 2, 16, generator=torch.Generator().manual_seed(0))
    positions = torch.tensor([0, 5, 2047])
    cos, sin = Rotary(CONFIG, torch.float32, CPU).at(positions)
    frequencies = 10_000.0 ** -(torch.arange(8, dtype=torch.float64) / 8)
    angles = positions.double()[:, None, None] * frequencies
    turned = torch.complex(x[..., :8].double(), x[..., 8:].double()) * torch.polar(torch.ones_like(angles), angles)
    torch.testing.assert_close(
        rotate(x, cos, sin).double(), torch.cat((turned.real, turned.imag), -1), atol=5e-4, rtol=0
    )


def test_position_zero_turns_nothing() -> None:
    """The first token keeps its vectors."""
    x = torch.randn(1, 2, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(rotate(x, *Rotary(CONFIG, torch.float32, CPU).at(torch.tensor([0]))), x)


def test_the_gate_comes_first() -> None:
    """silu(gate) times up: silu(1) = 0.7311, twice that, and a closed gate."""
    torch.testing.assert_close(gated(torch.tensor([[1.0, 0.0, 2.0, 5.0]])), torch.tensor([[1.462117, 0.0]]))
