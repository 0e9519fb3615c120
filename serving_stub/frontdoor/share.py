"""A caller's fixed place between 0 and 1: whatever concerns a share of the callers concerns those below the share.

The place depends on the caller alone, so it is the same on every server and after every restart, and a share that
grows only adds callers, while one that shrinks only lets callers go.
"""

from __future__ import annotations

import xxhash

_NUM_PLACES = 2.0**64


def place_of(identity: str, salt: int) -> float:
    """Where *identity* stands, from 0 to just below 1; one *salt* a purpose, or one caller would meet all at once."""
    return min(xxhash.xxh3_64_intdigest(identity.encode(), salt) / _NUM_PLACES, 1 - 2**-53)
