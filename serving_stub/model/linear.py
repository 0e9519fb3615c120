"""Products with weights: several ways to the same result; the fastest for each number of rows is measured once.

Which way wins depends on the processor: where it has matrix units, weights that oneDNN has packed beforehand win at
every size; elsewhere torch's own product, or for a row or two the C++ kernel, which reads each weight once in order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from serving_stub.model.native.kernels import Kernels

ROWS = (1, 2, 4, 8, 16, 32, 128)
"""Numbers of rows that are measured; others take the way of the next smaller one."""
ROUNDS = 3
MARGIN = 0.95
"""Another way must take at most this share of torch's time, so that noise alone changes nothing."""


@dataclass(frozen=True, slots=True)
class Weight:
    """A matrix [M, K], and the same as oneDNN wants it where it can be packed."""

    plain: torch.Tensor
    packed: torch.Tensor | None


Way = Callable[[torch.Tensor, Weight], torch.Tensor]


def to_weight(plain: torch.Tensor) -> Weight:
    """Pack a matrix where that is possible."""
    if plain.dtype is not torch.bfloat16 or not _can_pack():
        return Weight(plain, None)
    return Weight(plain, torch.ops.mkldnn._reorder_linear_weight(plain, None))


class Linear:
    """Multiplies by the way that was fastest on this machine.

    Args:
        samples: weights to measure with; enough of them that no cache holds them all.
    """

    def __init__(self, samples: Sequence[Weight], kernels: Kernels | None) -> None:
        ways: dict[str, Way] = {"torch": _plain}
        if all(weight.packed is not None for weight in samples):
            ways["packed"] = _packed
        if kernels is not None:
            ways["kernel"] = lambda x, weight: kernels.linear(x, weight.plain)
        self.chosen: Mapping[int, str] = {rows: _fastest(ways, samples, rows) for rows in ROWS}
        self._ways = [(rows, ways[self.chosen[rows]]) for rows in reversed(ROWS)]

    def __call__(self, x: torch.Tensor, weight: Weight) -> torch.Tensor:
        """x [N, K] times the weight [M, K] transposed: [N, M]."""
        way = next((way for rows, way in self._ways if x.shape[0] >= rows), _plain)
        return way(x, weight)


def _plain(x: torch.Tensor, weight: Weight) -> torch.Tensor:
    return F.linear(x, weight.plain)


def _packed(x: torch.Tensor, weight: Weight) -> torch.Tensor:
    product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight.packed, None, "none", [], "")
    return product


@torch.inference_mode()
def _fastest(ways: Mapping[str, Way], samples: Sequence[Weight], rows: int) -> str:
    if len(ways) == 1:
        return "torch"
    x = torch.zeros(rows, samples[0].plain.shape[1], dtype=samples[0].plain.dtype)
    times = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.perf_counter()
            for weight in samples:
                way(x, weight)
            times[name] = min(times[name], time.perf_counter() - began)
    best = min(times, key=lambda name: times[name])
    return best if times[best] <= MARGIN * times["torch"] else "torch"


def _can_pack() -> bool:
    return bool(torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())  # type: ignore[no-untyped-call]
