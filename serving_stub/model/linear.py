"""Products with weights: several ways to the same result; the fastest for each number of rows is measured once.

Which way wins depends on the processor and the number of rows: weights that lie as tiles, for matrix units or for
vectors; weights as oneDNN has packed them; torch's own product; or for a row or two the C++ kernel that reads each
weight once in order.
What no way uses is let go.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F

from serving_stub.model.native.kernels import Kernels

ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Numbers of rows that are measured; others take the way of the next smaller one."""
FEW_ROWS, ROW_STEP = 32, 16
ROUNDS = 3
NUM_SAMPLES = 12
HOPELESS = 2.0
"""A way that took so many times as long as the best is not asked again with more rows."""
MARGIN = 0.95
"""Another way must take at most this share of torch's time, so that noise alone changes nothing."""


class Product(Protocol):
    """A weight [M, K] that rows x [N, K] are multiplied with: [N, M]."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor: ...


Way = Callable[[torch.Tensor], torch.Tensor]


@dataclass(slots=True)
class Linear:
    """One matrix [M, K] and the ways to multiply with it, by name.

    Args:
        ways: until one is chosen for each number of rows; `torch` is always among them.
        chosen: the smallest number of rows that takes a way, the largest first.
    """

    num_features: int
    width: int
    ways: dict[str, Way]
    chosen: Sequence[tuple[int, Way]] = ()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x [N, K] times the matrix transposed: [N, M]."""
        for rows, way in self.chosen:
            if x.shape[0] >= rows:
                return way(x)
        return x.new_empty(0, self.num_features)

    def choose(self, names: Mapping[int, str]) -> None:
        """Multiply from so many rows on in the way of that name, or in torch's where this matrix has no such way.

        Every way holds the matrix in its own form; those that are not chosen are let go.
        """
        known = {rows: self.ways.get(name, self.ways["torch"]) for rows, name in names.items()}
        self.chosen = [(rows, known[rows]) for rows in sorted(known, reverse=True)]
        self.ways = {}


def to_linear(plain: torch.Tensor, kernels: Kernels | None) -> Linear:
    """A matrix [M, K] in every form that this machine can multiply with."""
    ways: dict[str, Way] = {"torch": lambda x: F.linear(x, plain)}
    if plain.dtype is torch.bfloat16 and plain.device.type == "cpu":
        ways["torch"] = _in_few_shapes(ways["torch"])
        if _can_pack():
            packed = torch.ops.mkldnn._reorder_linear_weight(plain, None)
            ways["packed"] = _in_few_shapes(
                lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")
            )
        if kernels is not None:
            ways["kernel"] = lambda x: kernels.linear(x, plain)
            tiles = kernels.to_tiles(plain)
            if tiles is not None and kernels.has_vectors:
                ways["vectors"] = lambda x: kernels.vectors_linear(x, tiles)
            if tiles is not None and kernels.has_tiles:
                ways["tiles"] = lambda x: kernels.tiles_linear(x, tiles)
    return Linear(plain.shape[0], plain.shape[1], ways)


def _in_few_shapes(way: Way) -> Way:
    """oneDNN keeps code for every number of rows that it has met; many rows are rounded up."""

    def multiply(x: torch.Tensor) -> torch.Tensor:
        num = x.shape[0]
        if num <= FEW_ROWS or num % ROW_STEP == 0:
            return way(x)
        return way(F.pad(x, (0, 0, 0, -num % ROW_STEP)))[:num]

    return multiply


def choose_ways(linears: Iterable[Linear], samples: Sequence[Linear], dtype: torch.dtype) -> Mapping[int, str]:
    """Give every matrix the ways that were fastest with *samples*: enough of them that no near cache holds them all."""
    samples, names = samples[:NUM_SAMPLES], list(samples[0].ways)
    chosen: dict[int, str] = {}
    for rows in ROWS:
        times = _times(samples, names, rows, dtype)
        best = min(times, key=lambda name: times[name])
        chosen[rows] = best if times[best] <= MARGIN * times["torch"] else "torch"
        names = [name for name in names if name == "torch" or times[name] <= HOPELESS * times[best]]
    for linear in linears:
        linear.choose(chosen)
    return chosen


@torch.inference_mode()
def _times(samples: Sequence[Linear], names: Sequence[str], rows: int, dtype: torch.dtype) -> Mapping[str, float]:
    """The best of a few readings of each way, seconds; nothing is measured where there is no choice."""
    times = dict.fromkeys(names, float("inf"))
    x = torch.zeros(rows, samples[0].width, dtype=dtype)
    for _ in range(ROUNDS if len(names) > 1 else 0):
        for name in names:
            began = time.perf_counter()
            for linear in samples:
                linear.ways[name](x)
            times[name] = min(times[name], time.perf_counter() - began)
    return times


def _can_pack() -> bool:
    return bool(torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())  # type: ignore[no-untyped-call]
