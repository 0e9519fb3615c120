"""Samples as bytes: what changes little from one sample to the next becomes mostly zeros, which zlib makes small.

Lossless to the last bit, stale marks and NaN included. zlib's checksum tells what a disk has damaged.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from opsbot.promql.sheet import Values

ZLIB_LEVEL = 6
_WHOLE, _BITS = b"i", b"x"
_EXACT = float(1 << 53)


class DamagedError(ValueError):
    """Bytes are not what was written."""


def packed(values: Values) -> bytes:
    """*values* [series, times] as bytes."""
    if values.size and _is_whole(values):
        numbers = values.astype(np.int64)
        numbers[:, 1:] -= numbers[:, :-1].copy()
        return _WHOLE + _planes(_unsigned(numbers))
    bits = np.ascontiguousarray(values).view(np.uint64).copy()
    bits[:, 1:] ^= bits[:, :-1].copy()
    return _BITS + _planes(bits)


def unpacked(data: bytes, num_series: int, num_times: int) -> Values:
    """What `packed` was given.

    Raises: DamagedError.
    """
    words = _words(data[1:], num_series, num_times)
    if data[:1] == _WHOLE:
        return np.cumsum(_signed(words), axis=1).astype(np.float64)
    if data[:1] != _BITS:
        raise DamagedError(f"a chunk begins with {data[:1]!r}")
    return np.bitwise_xor.accumulate(words, axis=1).view(np.float64)


def packed_whole(numbers: NDArray[np.int64]) -> bytes:
    """Whole numbers in one row, such as times in milliseconds."""
    return _planes(_unsigned(np.diff(numbers, prepend=0)).reshape(1, -1))


def unpacked_whole(data: bytes, count: int) -> NDArray[np.int64]:
    """What `packed_whole` was given.

    Raises: DamagedError.
    """
    return np.cumsum(_signed(_words(data, 1, count))[0])


def _is_whole(values: Values) -> bool:
    # Minus zero is no integer's; NaN compares false.
    with np.errstate(invalid="ignore"):
        is_plain = (np.abs(values) < _EXACT) & (np.floor(values) == values) & ~((values == 0) & np.signbit(values))
    return bool(is_plain.all())


def _unsigned(numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """0, -1, 1, -2, … as 0, 1, 2, 3, …: small ones have no upper bytes, whatever their sign."""
    return ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)


def _signed(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    return (words >> np.uint64(1)).view(np.int64) ^ -(words & np.uint64(1)).view(np.int64)


def _planes(words: NDArray[np.uint64]) -> bytes:
    """All first bytes, then all second ones, and so on: the upper ones are nearly all zero."""
    planes = np.ascontiguousarray(words).view(np.uint8).reshape(-1, 8).T
    return zlib.compress(np.ascontiguousarray(planes).tobytes(), ZLIB_LEVEL)


def _words(data: bytes, num_rows: int, num_columns: int) -> NDArray[np.uint64]:
    size = num_rows * num_columns * 8
    unpacker = zlib.decompressobj()
    try:
        # Never more than asked for, whatever the file says.
        planes = unpacker.decompress(data, size + 1)
    except zlib.error as error:
        raise DamagedError(str(error)) from error
    if len(planes) != size or not (unpacker.eof or size == 0):
        raise DamagedError(f"a chunk has {len(planes)} bytes of {size}")
    found = np.frombuffer(planes, np.uint8).reshape(8, -1).T
    return np.ascontiguousarray(found).view(np.uint64).reshape(num_rows, num_columns)
