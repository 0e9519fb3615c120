"""Secrets by reference: a step names where one is, its value is read at the moment of use and stands nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from opsbot.action_settings import SecretsSection
from opsbot.errors import ActionError

HIDDEN = "[redacted]"
MAX_SECRET_BYTES = 16 * 1024
MIN_MASKED_CHARS = 4
"""A shorter value is a word: taking it out of answers would make them unreadable."""


class SecretRef(BaseModel):
    """Where a secret is: one of both."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    secret_env: str | None = Field(default=None, description="Environment variable, listed in `actions.secrets.env`.")
    secret_file: str | None = Field(default=None, description="File, listed in `actions.secrets.files`.")
    prefix: str = Field(default="", max_length=100, description="Put before it, such as `Bearer `.")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.secret_env is None) is (self.secret_file is None):
            raise ValueError("one of secret_env and secret_file is needed")
        return self


@dataclass(frozen=True, slots=True)
class SecretStore:
    """Reads the secrets that opsbot.yaml allows.

    Args:
        environ: where variables are; this process's unless stated.
    """

    section: SecretsSection
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def check(self, ref: SecretRef) -> None:
        """Raises: ActionError if *ref* may not be used."""
        if ref.secret_env is not None and ref.secret_env not in self.section.env:
            raise ActionError(f"the secret {ref.secret_env} is not listed under `actions.secrets.env` in opsbot.yaml")
        if ref.secret_file is not None and Path(ref.secret_file) not in self.section.files:
            raise ActionError(f"the file {ref.secret_file} is not listed under `actions.secrets.files` in opsbot.yaml")

    def read(self, ref: SecretRef) -> str:
        """The secret, without its prefix.

        Raises: ActionError, which names the place and never the value.
        """
        self.check(ref)
        if ref.secret_env is not None:
            value = self.environ.get(ref.secret_env, "")
            if not value:
                raise ActionError(f"the environment variable {ref.secret_env} is not set")
            return value
        assert ref.secret_file is not None
        try:
            with Path(ref.secret_file).open("rb") as file:
                raw = file.read(MAX_SECRET_BYTES + 1)
            value = raw.decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ActionError(f"the secret file {ref.secret_file} cannot be read: {type(error).__name__}") from error
        if not value or len(raw) > MAX_SECRET_BYTES:
            raise ActionError(f"the secret file {ref.secret_file} is empty or too large")
        return value


@dataclass(frozen=True, slots=True)
class Mask:
    """Takes secrets out of what comes back."""

    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Self:
        """The longest first, so that one which contains another goes whole."""
        return cls(tuple(sorted({one for one in secrets if len(one) >= MIN_MASKED_CHARS}, key=len, reverse=True)))

    def text(self, text: str) -> str:
        """*text* without them."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def value(self, value: Any) -> Any:
        """Likewise plain JSON, in keys too."""
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.value(one) for one in value]
            case dict():
                return {self.text(str(key)): self.value(one) for key, one in value.items()}
            case _:
                return value
