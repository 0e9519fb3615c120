"""Forms that settings may be written in, and what a single value must be like."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_TAKEN = frozenset({"alertname", "severity", "source"})


def _many(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


OneOrMany = BeforeValidator(_many)
"""A list of which a single item may be written without being one."""


def as_one_or_many(schema: dict[str, Any]) -> None:
    """The same in the field's JSON Schema."""
    described: dict[str, Any] = {key: schema.pop(key) for key in ("description", "default", "title") if key in schema}
    whole = dict(schema)
    schema.clear()
    schema.update({"anyOf": [whole["items"], whole], **described})


def http_url(text: str) -> str:
    """An address that can be asked.

    Raises: ValueError.
    """
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ValueError(f"{text!r} is no address: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise ValueError(f"{text!r} is no address such as https://prometheus.example:9090")
    if parts.username or parts.password:
        raise ValueError("a user or password stands in the address; secrets come from environment variables")
    return text


def is_loopback(url: str) -> bool:
    """Whether what is sent there stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def label_names(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Labels that an alert can carry beside its own.

    Raises: ValueError.
    """
    for name, value in labels.items():
        if not _LABEL.fullmatch(name) or name.startswith("__") or name in _TAKEN:
            raise ValueError(f"{name!r} cannot be a server's label")
        if not value:
            raise ValueError(f"the label {name!r} is empty, which is the same as none")
    return labels
