"""Where core is and which variables hold the tokens: the few settings that a command needs to ask a running bot.

Read without the whole settings' schema, whose import alone takes longer than such a command may. What is not as it
should be is read again with the schema, so the error is the usual one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HOST, PORT, API_TOKEN_ENV = "127.0.0.1", 8070, "OPSBOT_API_TOKEN"
"""The settings' defaults; a test compares them."""


@dataclass(frozen=True, slots=True)
class CoreAddress:
    """Core's address; `personal_envs` are the variables that may hold this person's token."""

    host: str
    port: int
    api_token_env: str
    personal_envs: tuple[str, ...]


def core_address(path: Path) -> CoreAddress:
    """What the settings at *path* say of it.

    Raises: ConfigError if they cannot be used.
    """
    try:
        return _read(yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)))  # noqa: S506
    except (OSError, yaml.YAMLError, TypeError, ValueError, AttributeError):
        from opsbot.config import load_settings

        settings = load_settings(path)
        personal = tuple(person.token_env for person in settings.people if person.token_env)
        return CoreAddress(settings.core.host, settings.core.port, settings.api_token_env, personal)


def _read(data: Mapping[str, Any]) -> CoreAddress:
    """Raises: TypeError, ValueError or AttributeError for what has another shape."""
    core = data.get("core") or {}
    found = CoreAddress(
        _as(str, core.get("host", HOST)),
        _as(int, core.get("port", PORT)),
        _as(str, data.get("api_token_env", API_TOKEN_ENV)),
        tuple(_as(str, one["token_env"]) for one in data.get("people") or () if one.get("token_env")),
    )
    if not 0 < found.port < 65536:
        raise ValueError(found.port)
    return found


def _as(kind: type[Any], value: object) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(value)
    return value
