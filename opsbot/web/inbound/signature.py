"""HMAC-SHA256 over what was sent, with several keys valid at once so that they can be changed without a gap.

Senders differ in what they sign and how they write it; that is theirs to say. Here are the comparison, which takes the
same time whatever is wrong, and the age of a request.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

MAX_SIGNATURES = 8
"""Of one request that are looked at; a sender that changes its key sends two."""
WINDOW_S = 300.0
"""How far a request's time may be from ours; the age that Grafana, Slack and Standard Webhooks go by."""


@dataclass(frozen=True, slots=True)
class SignatureKeys:
    """Keys that are valid now, the newest first."""

    keys: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, secrets: Iterable[str]) -> SignatureKeys:
        """From secrets as text; their UTF-8 bytes are the keys."""
        keys = tuple(secret.encode() for secret in secrets)
        if not all(keys) or not keys:
            raise ValueError("a signature needs a key, and a key is not empty")
        return cls(keys)

    def sign(self, message: bytes) -> str:
        """The signature of *message* by the newest key, as 64 hexadecimal digits."""
        return _hmac(self.keys[0], message)

    def verify(self, message: bytes, given: Iterable[str]) -> bool:
        """Whether any of the *given* hexadecimal signatures of *message* is by any of the keys."""
        candidates = [text.strip().lower().encode() for text in given][:MAX_SIGNATURES]
        expected = [_hmac(key, message).encode() for key in self.keys]
        is_valid = False
        for candidate in candidates:
            for one in expected:
                is_valid |= hmac.compare_digest(candidate, one)
        return is_valid


def split_signatures(header: str, prefix: str = "") -> tuple[str, ...]:
    """The signatures of a header `prefix…,prefix…`, without their prefix; those of another form are left out."""
    parts = (part.strip() for part in header.split(",", MAX_SIGNATURES))
    return tuple(part[len(prefix) :] for part in parts if part.startswith(prefix) and len(part) > len(prefix))


def seconds_off(timestamp: str, now: float) -> float | None:
    """How far *timestamp*, in whole seconds since the epoch, is from *now*, in seconds; None if it is no such text."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return None
    return abs(now - int(timestamp))


def _hmac(key: bytes, message: bytes) -> str:
    return hmac.new(key, message, hashlib.sha256).hexdigest()
