"""Keyed hashes of what the request log may compare but never read: keys, accounts, prefixes, bodies, system prompts.

A plain hash of an address or a short text is reversible by trying them all; a keyed one is not, to anybody without the
secret. Each month has its own key, and a hash begins with that key's id, so hashes of two months (or of two secrets)
are never equal by accident. What follows from it: nothing can be traced past the end of a month, in UTC.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from serving_stub.errors import SettingError

SECRET_VARIABLE = "FRONTDOOR_HASH_SECRET"  # noqa: S105  the variable's name, not its value
SHORTEST_SECRET = 32
DIGEST_BYTES = 16
_SALT = b"frontdoor request log v1"


class Kind(StrEnum):
    """What was hashed; the same text as another kind has another hash."""

    KEY = "key"
    ACCOUNT = "account"
    NETWORK = "network"
    REQUEST = "request"
    SYSTEM_PROMPT = "system_prompt"
    CONVERSATION = "conversation"
    END_USER = "end_user"


@dataclass(frozen=True, slots=True)
class Hasher:
    """Hashes of one month.

    Args:
        key_id: the month and four characters that say which secret, such as `2026-11-9f3a`.
        simhash_seed: of the same month, so that near-duplicate hashes end with it too.
    """

    key_id: str
    simhash_seed: int
    _persons: Mapping[Kind, Callable[[], hashlib.blake2b]]

    def __call__(self, kind: Kind, value: str | bytes) -> str:
        """`2026-11-9f3a.` and 32 hexadecimal digits."""
        state = self._persons[kind]()
        state.update(value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)
        return f"{self.key_id}.{state.hexdigest()}"


def month_of(at: float) -> str:
    """The month in UTC of *at*, seconds since the epoch: `2026-11`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m")


def month_key(secret: bytes, month: str) -> bytes:
    """The 32-byte key of *month*; whoever has it learns nothing about other months or the secret.

    Source: RFC 5869 (HKDF with SHA-256), one block of output.
    """
    extracted = hmac.digest(_SALT, secret, "sha256")
    return hmac.digest(extracted, month.encode() + b"\x01", "sha256")


def hasher_of(secret: bytes, month: str) -> Hasher:
    """The hasher of *month*, the same on every replica that has the same secret."""
    key = month_key(secret, month)
    mark = hashlib.blake2b(b"id", key=key, digest_size=2).hexdigest()
    seed = hashlib.blake2b(b"simhash", key=key, digest_size=8).digest()
    # Copying a state that has taken its key is cheaper than keying a new one for each value.
    persons = {kind: hashlib.blake2b(key=key, digest_size=DIGEST_BYTES, person=kind.encode()).copy for kind in Kind}
    return Hasher(f"{month}-{mark}", int.from_bytes(seed), persons)


class Keyring:
    """The hasher of the moment, from one secret.

    A clock that steps back over midnight gets the earlier month's hasher again.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._day = -1
        self._hasher: Hasher | None = None

    @classmethod
    def ephemeral(cls) -> Keyring:
        """A secret that ends with this process: hashes are comparable within one run only."""
        return cls(secrets.token_bytes(SHORTEST_SECRET))

    def at(self, now: float) -> Hasher:
        """The hasher for *now*, seconds since the epoch."""
        day = int(now // 86_400)
        if self._hasher is None or day != self._day:
            self._day, self._hasher = day, hasher_of(self._secret, month_of(now))
        return self._hasher


def read_secret(path: Path | None, environment: Mapping[str, str]) -> bytes | None:
    """The master secret from the file at *path*, else from the environment; None where neither is given.

    Raises: SettingError, which never shows what was read.
    """
    if path is not None:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"{path}: the secret of the request log's hashes cannot be read as text") from error
        return _checked(text, str(path))
    text = environment.get(SECRET_VARIABLE, "")
    return _checked(text, SECRET_VARIABLE) if text else None


def _checked(text: str, source: str) -> bytes:
    secret = text.strip().encode()
    if len(secret) < SHORTEST_SECRET:
        raise SettingError(
            f"{source}: the secret has {len(secret)} bytes, expected at least {SHORTEST_SECRET}; "
            "`openssl rand -hex 32` makes one"
        )
    return secret
