"""Products in 8-bit integers: the labelled fast mode. Half the bytes of bf16, and twice the operations a second.

Weights have a scale for each output feature, rows a scale each, found from the row alone: what a request is answered
does not depend on its neighbours. Sums are exact integers.
Source: Dettmers et al. 2022, "LLM.int8(): 8-bit Matrix Multiplication for Transformers at Scale", section 2.
"""

from __future__ import annotations

import torch

from serving_stub.model.linear import Product
from serving_stub.model.native.kernels import Kernels

LARGEST = 127.0


def quantize(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each row's nearest integers, int8 [R, K], and what one of them is worth, fp32 [R]."""
    matrix = matrix.float()
    largest = matrix.abs().amax(dim=1)
    # A number over a tensor would be the number times a rounded reciprocal.
    factors = torch.where(largest > 0, torch.full_like(largest, LARGEST) / largest, 0.0)
    return (matrix * factors[:, None]).round().to(torch.int8), largest / LARGEST


def to_int8(plain: torch.Tensor, kernels: Kernels | None) -> Product:
    """A matrix [M, K] as 8-bit integers: by matrix units or vectors where there are some, in plain torch elsewhere."""
    integers, scales = quantize(plain)
    tiles = None if kernels is None else kernels.to_tiles(integers)
    if kernels is not None and tiles is not None:
        return lambda x: kernels.linear_int8(x, tiles, scales)
    turned = integers.t().contiguous()
    return lambda x: _multiply(x, turned, scales)


def _multiply(x: torch.Tensor, turned: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    rows, row_scales = quantize(x)
    return (torch._int_mm(rows, turned).float() * row_scales[:, None] * scales).to(x.dtype)
