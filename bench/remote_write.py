"""Writes whole histories into a Prometheus quickly: its remote-write protocol, with samples encoded by numpy.

Source: Prometheus's prompb/remote.proto and prompb/types.proto; the snappy block format, whose literals are enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import httpx
import numpy as np
from numpy.typing import NDArray

from tests.support.remote_write import field, snappy

_TIME_BYTES = 6
"""Of a varint of milliseconds since the epoch, from 2004 to 2109."""
_SAMPLE = np.dtype([("head", "u1", 3), ("value", "<f8"), ("tag", "u1"), ("time", "u1", _TIME_BYTES)])


def write(
    url: str, labels: Sequence[Mapping[str, str]], times_ms: NDArray[np.int64], values: NDArray[np.float64]
) -> None:
    """Store *values* [series, times].

    Raises: httpx.HTTPStatusError with what Prometheus said.
    """
    times = _varints(times_ms)
    body = b"".join(_series(one, times, row) for one, row in zip(labels, values, strict=True))
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    answer = httpx.post(f"{url}/api/v1/write", content=snappy(body), headers=headers, trust_env=False, timeout=120.0)
    answer.raise_for_status()


def _series(labels: Mapping[str, str], times: NDArray[np.uint8], row: NDArray[np.float64]) -> bytes:
    samples = np.empty(len(row), dtype=_SAMPLE)
    # Field 2 of a series: a message of 16 bytes, whose field 1 is the value and field 2 the time.
    samples["head"] = (0x12, 10 + _TIME_BYTES, 0x09)
    samples["value"] = row
    samples["tag"] = 0x10
    samples["time"] = times
    pairs = [field(1, name.encode()) + field(2, value.encode()) for name, value in sorted(labels.items())]
    return field(1, b"".join(field(1, pair) for pair in pairs) + samples.tobytes())


def _varints(times_ms: NDArray[np.int64]) -> NDArray[np.uint8]:
    """[times, 6]: seven bits a byte, the lowest first; all but the last have their top bit set."""
    shifts = np.arange(_TIME_BYTES) * 7
    found = (times_ms[:, None] >> shifts & 0x7F).astype(np.uint8)
    found[:, :-1] |= 0x80
    return found
