"""Whose webhook is it: bearer tokens, HTTP Basic, a header of our own, and signatures; several are valid at once.

Everything that is configured must hold. Tokens, and a signature's presence and age, are checked before a byte of the
body is read; only digests of tokens are kept.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.datastructures import Headers

from opsbot.web.inbound.errors import UnauthorizedError
from opsbot.web.inbound.signature import WINDOW_S, SignatureKeys, seconds_off, split_signatures

TOKEN_HEADER = "x-opsbot-token"  # noqa: S105  (a header's name)
SIGNATURE_HEADER = "x-opsbot-signature"
TIMESTAMP_HEADER = "x-opsbot-timestamp"


@dataclass(frozen=True, slots=True)
class Credential:
    """What a receiver's sender must show.

    Args:
        token_digests: of the tokens that are valid now; none where a signature is enough.
        basic_user: the user name of HTTP Basic, where the password is one of the tokens.
        keys: of the signature over `timestamp:body`, where one is needed.
    """

    token_digests: tuple[bytes, ...] = field(default=(), repr=False)
    basic_user: str | None = None
    keys: SignatureKeys | None = None

    def __post_init__(self) -> None:
        assert self.token_digests or self.keys is not None, "a receiver that anybody may post to"

    @classmethod
    def of(
        cls, tokens: Iterable[str] = (), *, basic_user: str | None = None, secrets: Iterable[str] = ()
    ) -> Credential:
        """From the tokens and the signature's secrets themselves."""
        keys = tuple(secrets)
        return cls(tuple(_digest(token) for token in tokens), basic_user, SignatureKeys.of(keys) if keys else None)

    def check_headers(self, headers: Headers, now: float) -> None:
        """What can be told before the body is read.

        Raises: UnauthorizedError.
        """
        if self.token_digests and not self._has_token(headers):
            raise UnauthorizedError(self._ask())
        if self.keys is None:
            return
        if not headers.get(SIGNATURE_HEADER) or not headers.get(TIMESTAMP_HEADER):
            raise UnauthorizedError("the headers X-Opsbot-Signature and X-Opsbot-Timestamp are needed")
        off_s = seconds_off(headers[TIMESTAMP_HEADER], now)
        if off_s is None:
            raise UnauthorizedError("X-Opsbot-Timestamp must be in whole seconds since the epoch")
        if off_s > WINDOW_S:
            raise UnauthorizedError(
                f"X-Opsbot-Timestamp is {off_s:.0f} s from core's clock; {WINDOW_S:.0f} s are allowed. "
                "Sign the request anew, or set the clocks right"
            )

    def check_body(self, headers: Headers, body: bytes) -> str | None:
        """Whether the signature, if one is needed, is that of the body; answers what names this signed request.

        Raises: UnauthorizedError.
        """
        if self.keys is None:
            return None
        message = headers[TIMESTAMP_HEADER].encode() + b":" + body
        if not self.keys.verify(message, split_signatures(headers[SIGNATURE_HEADER])):
            raise UnauthorizedError(
                "X-Opsbot-Signature fits no key: it must be the hexadecimal HMAC-SHA256 of `timestamp:body` as sent"
            )
        # Ours, since theirs may be written in several ways.
        return self.keys.sign(message)

    def _has_token(self, headers: Headers) -> bool:
        given = _digest(headers.get(TOKEN_HEADER) or _bearer(headers))
        user, password = _basic(headers)
        is_user = hmac.compare_digest(_digest(user), _digest(self.basic_user or ""))
        is_basic = is_user and bool(self.basic_user)
        by_basic = _digest(password)
        is_valid = False
        for digest in self.token_digests:
            is_valid |= hmac.compare_digest(given, digest)
            is_valid |= hmac.compare_digest(by_basic, digest) and is_basic
        return is_valid

    def _ask(self) -> str:
        ways = ["`Authorization: Bearer`", "`X-Opsbot-Token`"]
        if self.basic_user:
            ways.append("HTTP Basic")
        return f"a token of this receiver is needed, as {', '.join(ways[:-1])} or {ways[-1]}"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _bearer(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _basic(headers: Headers) -> tuple[str, str]:
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return user, password
