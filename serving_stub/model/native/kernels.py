"""The kernels as functions on torch tensors: checks shapes, hands over addresses."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from serving_stub.model.native.build import NoKernels, library_path

_BF16 = torch.bfloat16


@dataclass(frozen=True, slots=True)
class Tiles:
    """A matrix [M, K] as tiles.cpp and vectors.cpp read it: 32 features at a time, for each step of K two tiles of 16
    features.

    Args:
        extra: of an int8 matrix, what rows that are by 128 too large add to each feature's sum: [M] int32.
    """

    data: torch.Tensor
    num_features: int
    width: int
    extra: torch.Tensor | None


class Kernels:
    """The loaded library. All tensors are contiguous and bf16 unless stated.

    Args:
        num_threads: that compute one call together.
    """

    def __init__(self, num_threads: int) -> None:
        """Build where needed, and load.

        Raises: NoKernels.
        """
        try:
            self._library = ctypes.CDLL(str(library_path()))
        except OSError as error:
            raise NoKernels(f"the kernels could not be loaded: {error}") from error
        self._threads = ctypes.c_int(num_threads)
        for name, arguments in _ARGUMENTS.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = None, arguments
        self.has_vectors = bool(self._library.vectors_ready())
        self.has_tiles = bool(self._library.tiles_ready())

    def linear(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """x [N, K] times weight [M, K] transposed: [N, M]; meant for few rows."""
        (n, k), m = x.shape, weight.shape[0]
        assert weight.shape[1] == k
        out = torch.empty(n, m, dtype=_BF16)
        self._library.linear(_at(x), _at(weight), _at(out), _size(n), _size(k), _size(m), self._threads)
        return out

    def to_tiles(self, matrix: torch.Tensor) -> Tiles | None:
        """A bf16 or int8 matrix [M, K] for matrix units or vectors; None without them, or if its sizes do not fit."""
        (m, k), together = matrix.shape, 4 // matrix.itemsize
        if not (self.has_tiles or self.has_vectors) or m % 32 or k % (16 * together):
            return None
        split = matrix.reshape(m // 32, 2, 16, k // (16 * together), 16, together)
        extra = None if matrix.dtype is _BF16 else matrix.sum(dim=1, dtype=torch.int32) * 128
        return Tiles(split.permute(0, 3, 1, 4, 2, 5).contiguous(), m, k, extra)

    def tiles_linear(self, x: torch.Tensor, weight: Tiles) -> torch.Tensor:
        """x [N, K] times a bf16 weight [M, K] transposed: [N, M]."""
        out = _product_of(x, weight)
        self._library.tiles_bf16(_at(x), _at(weight.data), _at(out), *_sizes(x, weight), self._threads)
        return out

    def vectors_linear(self, x: torch.Tensor, weight: Tiles) -> torch.Tensor:
        """The same without matrix units."""
        out = _product_of(x, weight)
        self._library.vectors_bf16(_at(x), _at(weight.data), _at(out), *_sizes(x, weight), self._threads)
        return out

    def linear_int8(self, x: torch.Tensor, weight: Tiles, scales: torch.Tensor) -> torch.Tensor:
        """x [N, K] times an int8 weight [M, K] transposed: [N, M], on the matrix units where there are some.

        One of the weight's numbers is worth scales [M] in fp32; rows become int8 one by one.
        """
        return (self.tiles_linear_int8 if self.has_tiles else self.vectors_linear_int8)(x, weight, scales)

    def vectors_linear_int8(self, x: torch.Tensor, weight: Tiles, scales: torch.Tensor) -> torch.Tensor:
        """`linear_int8` without matrix units."""
        assert weight.extra is not None
        out = _product_of(x, weight)
        self._library.vectors_int8(
            *(_at(x), _at(weight.data), _at(scales), _at(weight.extra), _at(out)), *_sizes(x, weight), self._threads
        )
        return out

    def tiles_linear_int8(self, x: torch.Tensor, weight: Tiles, scales: torch.Tensor) -> torch.Tensor:
        """`linear_int8` on the matrix units."""
        out = _product_of(x, weight)
        self._library.tiles_int8(_at(x), _at(weight.data), _at(scales), _at(out), *_sizes(x, weight), self._threads)
        return out

    def add_norm(self, x: torch.Tensor, added: torch.Tensor | None, weight: torch.Tensor, eps: float) -> torch.Tensor:
        """Adds *added* [N, H] to x [N, H] in place; answers x normalised by its root mean square, times weight [H]."""
        n, h = x.shape
        assert weight.shape == (h,)
        assert added is None or added.shape == x.shape
        out = torch.empty_like(x)
        more = None if added is None else _at(added)
        self._library.add_norm(
            _at(x), more, _at(weight), _at(out), _size(n), _size(h), ctypes.c_float(eps), self._threads
        )
        return out

    def gated(self, gate_and_up: torch.Tensor) -> torch.Tensor:
        """SwiGLU of [N, 2*F]: [N, F]."""
        n, twice = gate_and_up.shape
        out = torch.empty(n, twice // 2, dtype=_BF16)
        self._library.gated(_at(gate_and_up), _at(out), _size(n), _size(twice // 2), self._threads)
        return out

    def attend(
        self,
        qkv: torch.Tensor,
        rotation: tuple[torch.Tensor, torch.Tensor],
        positions: torch.Tensor,
        block_tables: torch.Tensor,
        cache: tuple[torch.Tensor, torch.Tensor],
        num_heads: int,
        out: torch.Tensor,
    ) -> None:
        """Attention of one new token a sequence, which is stored in the cache on the way.

        Shapes: qkv [B, (heads + 2*kv_heads)*D] unrotated; rotation, cosine and sine, each [B, 1, D/2];
            positions [B] int64; block_tables [B, num_blocks] int64; cache, keys and values of one layer, each
            [num_blocks, block_size, kv_heads, D]; out [B, heads*D] is written.
        """
        batch, width = block_tables.shape
        keys, values = cache
        _, block_size, kv_heads, d = keys.shape
        assert qkv.shape == (batch, (num_heads + 2 * kv_heads) * d)
        assert out.shape == (batch, num_heads * d)
        cos, sin = rotation
        sizes = (batch, num_heads, kv_heads, d, block_size)
        self._library.attend(
            *(_at(qkv), _at(cos), _at(sin), _at(positions), _at(block_tables), _size(width)),
            *(_at(keys), _at(values), _at(out), *map(_size, sizes), ctypes.c_int(self.has_tiles), self._threads),
        )


_size = ctypes.c_int64
_ADDRESS, _SIZE, _INT, _FLOAT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int, ctypes.c_float
_ARGUMENTS: Mapping[str, list[type[ctypes.c_void_p | ctypes.c_int64 | ctypes.c_int | ctypes.c_float]]] = {
    "linear": [*[_ADDRESS] * 3, *[_SIZE] * 3, _INT],
    "add_norm": [*[_ADDRESS] * 4, *[_SIZE] * 2, _FLOAT, _INT],
    "gated": [*[_ADDRESS] * 2, *[_SIZE] * 2, _INT],
    "attend": [*[_ADDRESS] * 5, _SIZE, *[_ADDRESS] * 3, *[_SIZE] * 5, _INT, _INT],
    "vectors_bf16": [*[_ADDRESS] * 3, *[_SIZE] * 3, _INT],
    "vectors_int8": [*[_ADDRESS] * 5, *[_SIZE] * 3, _INT],
    "tiles_bf16": [*[_ADDRESS] * 3, *[_SIZE] * 3, _INT],
    "tiles_int8": [*[_ADDRESS] * 4, *[_SIZE] * 3, _INT],
}
"""What each function takes: one argument too few would be read from wherever it lies."""


def _product_of(x: torch.Tensor, weight: Tiles) -> torch.Tensor:
    assert x.shape[1] == weight.width
    return torch.empty(x.shape[0], weight.num_features, dtype=_BF16)


def _sizes(x: torch.Tensor, weight: Tiles) -> tuple[ctypes.c_int64, ctypes.c_int64, ctypes.c_int64]:
    return _size(x.shape[0]), _size(weight.width), _size(weight.num_features)


def _at(tensor: torch.Tensor) -> ctypes.c_void_p:
    """Where a tensor lies; a strided one would be read wrongly."""
    assert tensor.is_contiguous()
    return ctypes.c_void_p(tensor.data_ptr())
