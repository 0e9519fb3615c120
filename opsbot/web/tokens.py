"""Bearer tokens: which one is it, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Tokens:
    """The machine token, and whose each personal token is; only digests are kept."""

    api_digest: bytes
    users_by_digest: Mapping[bytes, str]

    @classmethod
    def of(cls, api_token: str, personal: Mapping[str, str]) -> Tokens:
        """From the tokens themselves: *personal* maps a token to a user id."""
        return cls(_digest(api_token), {_digest(token): user for token, user in personal.items()})

    def is_machine(self, request: Request) -> bool:
        """Whether the request carries the machine token."""
        return hmac.compare_digest(_digest(_bearer(request)), self.api_digest)

    def user(self, request: Request) -> str | None:
        """The user whose personal token the request carries."""
        given = _digest(_bearer(request))
        found = [user for digest, user in self.users_by_digest.items() if hmac.compare_digest(given, digest)]
        return found[0] if found else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""
