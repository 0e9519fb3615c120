"""Label sets and fingerprints, in Prometheus's sense.

A label set names one series or one alert; two with the same pairs are the same thing, whatever their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def fingerprint(labels: Mapping[str, str]) -> str:
    """Sixteen hex digits that are equal for equal label sets, in any order.

    The pairs are joined with bytes that cannot occur in UTF-8 text, so no two different sets can read alike.
    """
    digest = hashlib.sha256()
    for name in sorted(labels):
        digest.update(name.encode())
        digest.update(b"\xfe")
        digest.update(labels[name].encode())
        digest.update(b"\xff")
    return digest.hexdigest()[:16]
