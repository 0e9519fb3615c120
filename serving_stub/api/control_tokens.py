"""Who may do what through the control API: bearer tokens with scopes, from a YAML file, beside the server's full token.

The file holds hashes only. A token is compared with every hash, each in constant time, so that the time of an answer
tells nothing; only its name ever leaves this module.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from serving_stub.frontdoor.audit import SERVER
from serving_stub.yamlfile import Location, load

Scope = Literal[
    "read", "batch", "fault", "shed", "failwhale", "fallback", "throttle", "block", "drain", "restart", "route", "all"
]
"""What a token is good for: reading, each kind of knob, commands, or everything."""

FULL_TOKEN = "full"  # noqa: S105  (its name)


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever sent a request, as far as the server knows: the token's name and what it is good for."""

    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether *scope* is among what the token is good for."""
        return scope in self.scopes or "all" in self.scopes


def _check_digest(text: str) -> str:
    if re.fullmatch("[0-9a-f]{64}", text) is None:
        # Without what was written: it may be the token itself.
        raise ValueError("64 hexadecimal digits are needed: printf %s TOKEN | sha256sum")
    return text


class TokenRow(BaseModel):
    """One token, as written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    sha256: Annotated[str, AfterValidator(_check_digest)] = Field(repr=False)
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    expires: AwareDatetime | None = None


class TokenFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    control_tokens: Annotated[tuple[TokenRow, ...], Field(min_length=1)]


class ControlTokens:
    """Every token that this server takes."""

    def __init__(self, full_token: str | None, rows: Sequence[TokenRow] = ()) -> None:
        self._known = [
            (row.sha256, Principal(row.name, frozenset(row.scopes)), row.expires.timestamp() if row.expires else None)
            for row in rows
        ]
        if full_token is not None:
            self._known.append((_hash(full_token), Principal(FULL_TOKEN, frozenset({"all"})), None))

    @classmethod
    def load(cls, path: Path, full_token: str | None) -> Self:
        """Read the file at *path*.

        Raises: FileError.
        """
        return cls(full_token, load(path, TokenFile, _twice).control_tokens)

    @property
    def is_empty(self) -> bool:
        """Whether nobody can be let in."""
        return not self._known

    def find(self, token: str, now: float) -> Principal | None:
        """Whose *token* it is; None where nobody's, or where it has expired."""
        given = _hash(token)
        found = [(who, expires) for known, who, expires in self._known if hmac.compare_digest(given, known)]
        return next((who for who, expires in found if expires is None or now < expires), None)


def tokens_of(control_token: SecretStr | None, control_tokens: Path | None) -> ControlTokens:
    """Who may use a control API: the full token, if there is one, and those of a file, if there is one.

    Raises: FileError.
    """
    full = None if control_token is None else control_token.get_secret_value()
    return ControlTokens(full) if control_tokens is None else ControlTokens.load(control_tokens, full)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _twice(whole: TokenFile) -> Iterable[tuple[Location, str]]:
    names: set[str] = {FULL_TOKEN, SERVER}
    hashes: set[str] = set()
    for index, row in enumerate(whole.control_tokens):
        if row.name in names:
            taken = "has a meaning of its own" if row.name in (FULL_TOKEN, SERVER) else "is taken by an earlier token"
            yield ("control_tokens", index, "name"), f"the name '{row.name}' {taken}; choose another"
        if row.sha256 in hashes:
            yield ("control_tokens", index, "sha256"), "an earlier token has this hash; each needs one of its own"
        names.add(row.name)
        hashes.add(row.sha256)
