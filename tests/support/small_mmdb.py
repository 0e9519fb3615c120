"""Writes an address database (MMDB) of a few networks: just enough of the format for tests.

Source: "MaxMind DB File Format Specification", version 2.0: 24-bit records, an IPv6 tree with IPv4 below ::/96.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Network, ip_network
from typing import Any, NamedTuple

_Node = list[Any]  # two branches: a node, an encoded record, or None
_MARKER = b"\xab\xcd\xefMaxMind.com"


def mmdb(records: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The database's bytes; *records* by network, none within another."""
    root: _Node = [None, None]
    for text, record in records.items():
        network = ip_network(text)
        bits = int(network.network_address)
        length = network.prefixlen if isinstance(network, IPv6Network) else network.prefixlen + 96
        node = root
        for depth in range(length):
            bit = (bits >> (127 - depth)) & 1
            if depth == length - 1:
                node[bit] = _encode(record)
            else:
                node[bit] = node[bit] or [None, None]
                node = node[bit]
    nodes: list[_Node] = []
    _collect(root, nodes)
    numbers = {id(node): number for number, node in enumerate(nodes)}
    data = bytearray()
    tree = bytearray()
    for node in nodes:
        for branch in node:
            if branch is None:
                value = len(nodes)
            elif isinstance(branch, bytes):
                value = len(nodes) + 16 + len(data)
                data += branch
            else:
                value = numbers[id(branch)]
            tree += value.to_bytes(3, "big")
    metadata = {
        "node_count": len(nodes),
        "record_size": _Number(24, 2),
        "ip_version": _Number(6, 2),
        "database_type": "Test",
        "languages": [],
        "binary_format_major_version": _Number(2, 2),
        "binary_format_minor_version": _Number(0, 2),
        "build_epoch": _Number(1, 8),
        "description": {},
    }
    return bytes(tree) + bytes(16) + bytes(data) + _MARKER + _encode(metadata)


class _Number(NamedTuple):
    """A number of another size than the usual four bytes."""

    value: int
    num_bytes: int


def _collect(node: _Node, nodes: list[_Node]) -> None:
    nodes.append(node)
    for branch in node:
        if isinstance(branch, list):
            _collect(branch, nodes)


def _encode(value: Any) -> bytes:
    match value:
        case str():
            return _control(2, len(value.encode())) + value.encode()
        case _Number():
            kind = {2: 5, 8: 9}[value.num_bytes]
            return _control(kind, value.num_bytes) + value.value.to_bytes(value.num_bytes, "big")
        case int():
            return _control(6, 4) + value.to_bytes(4, "big")
        case list():
            return _control(11, len(value)) + b"".join(map(_encode, value))
        case Mapping():
            return _control(7, len(value)) + b"".join(_encode(key) + _encode(one) for key, one in value.items())
    raise TypeError(f"{value!r} has no place in this database")


def _control(kind: int, size: int) -> bytes:
    assert size < 29, "longer values need the format's longer sizes"
    return bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])
