"""Lease ids: a time and eighty random bits in Crockford's base 32, so that ids sort by age and nobody guesses one.

Source: the ULID layout (48 bits of milliseconds, 80 random bits, 26 characters).
"""

from __future__ import annotations

import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 26


def new_lease_id(now: float) -> str:
    """An id for a lease granted at *now*, seconds since the epoch."""
    number = (int(now * 1000) << 80) | secrets.randbits(80)
    return "l-" + "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in reversed(range(_LENGTH)))
