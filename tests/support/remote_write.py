"""Prometheus's remote-write protocol, as much of it as a test needs: series with exact times and stale marks.

Source: Prometheus's prompb/remote.proto and prompb/types.proto; the snappy block format, whose literals are enough.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

import httpx

STALE_BITS = 0x7FF0000000000002
Point = tuple[float, float | None]
"""Seconds and a value; None is a stale mark."""
_LITERAL = 60_000


def write(url: str, series: Iterable[tuple[Mapping[str, str], Sequence[Point]]]) -> None:
    """Store whole series, name among the labels, in the Prometheus at *url*."""
    body = b"".join(field(1, _time_series(labels, points)) for labels, points in series)
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    answer = httpx.post(f"{url}/api/v1/write", content=snappy(body), headers=headers, trust_env=False)
    assert answer.is_success, answer.text


def _time_series(labels: Mapping[str, str], points: Sequence[Point]) -> bytes:
    pairs = [field(1, name.encode()) + field(2, value.encode()) for name, value in sorted(labels.items())]
    samples = [
        b"\x09" + (struct.pack("<Q", STALE_BITS) if value is None else struct.pack("<d", value))
        # The time is a varint of milliseconds.
        + b"\x10" + varint(round(time_s * 1000))
        for time_s, value in points
    ]  # fmt: skip
    return b"".join([*(field(1, pair) for pair in pairs), *(field(2, sample) for sample in samples)])


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    """A number of a protocol buffer."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def snappy(content: bytes) -> bytes:
    """A block of literals only."""
    parts = [content[at : at + _LITERAL] for at in range(0, len(content), _LITERAL)]
    return varint(len(content)) + b"".join(b"\xf4" + struct.pack("<H", len(part) - 1) + part for part in parts)
