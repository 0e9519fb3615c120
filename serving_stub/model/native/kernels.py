"""The kernels as functions on torch tensors: checks shapes, hands over addresses."""

from __future__ import annotations

import ctypes

import torch

from serving_stub.model.native.build import NoKernels, library_path

_BF16 = torch.bfloat16


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
        for name in ("linear", "add_norm", "gated", "attend"):
            getattr(self._library, name).restype = None

    def linear(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """x [N, K] times weight [M, K] transposed: [N, M]; meant for few rows."""
        (n, k), m = x.shape, weight.shape[0]
        assert weight.shape[1] == k
        out = torch.empty(n, m, dtype=_BF16)
        self._library.linear(_at(x), _at(weight), _at(out), _size(n), _size(k), _size(m), self._threads)
        return out

    def add_norm(self, x: torch.Tensor, added: torch.Tensor | None, weight: torch.Tensor, eps: float) -> torch.Tensor:
        """Adds *added* [N, H] to x [N, H] in place; answers x normalised by its root mean square, times weight [H]."""
        n, h = x.shape
        assert weight.shape == (h,)
        assert added is None or added.shape == x.shape
        out = torch.empty_like(x)
        more = None if added is None else _at(added)
        self._library.add_norm(_at(x), more, _at(weight), _at(out), _size(n), _size(h), ctypes.c_float(eps))
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
            *(_at(keys), _at(values), _at(out), *map(_size, sizes), self._threads),
        )


_size = ctypes.c_int64


def _at(tensor: torch.Tensor) -> ctypes.c_void_p:
    """Where a tensor lies; a strided one would be read wrongly."""
    assert tensor.is_contiguous()
    return ctypes.c_void_p(tensor.data_ptr())
