"""The arguments of a call, however the SDK sent them, and one page of a list.

The SDK encodes the same call in several ways (query, form, JSON; booleans as "1" and "0"; lists joined by commas; JSON
texts inside), so everything is merged and read leniently, and what makes no sense is one of Slack's own errors.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from aiohttp import web

from opsbot.workspace.state_errors import SlackError

Arguments = Mapping[str, Any]
Answer = dict[str, Any]
T = TypeVar("T")

JSON_ARGUMENTS = ("attachments", "blocks", "channels", "files", "metadata", "unfurl_links", "users", "view")
DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_CURSOR_DIGITS = 12


async def read(request: web.Request) -> dict[str, Any]:
    """Everything that came with the call; raises SlackError."""
    given: dict[str, Any] = dict(request.query)
    if request.can_read_body:
        if request.content_type == "application/json":
            try:
                body = await request.json()
            except (ValueError, RecursionError) as error:
                raise SlackError("invalid_json") from error
            if not isinstance(body, dict):
                raise SlackError("json_not_object")
            given |= body
        elif request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
            given |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    for name in JSON_ARGUMENTS:
        if isinstance(given.get(name), str) and given[name][:1] in ("[", "{"):
            try:
                given[name] = json.loads(given[name])
            except (ValueError, RecursionError) as error:
                raise SlackError("invalid_blocks_format" if name == "blocks" else "invalid_json", name) from error
    return given


def need(given: Arguments, name: str) -> str:
    """An argument that must be there; raises SlackError."""
    value = given.get(name)
    if not value:
        raise SlackError("invalid_arguments", f"missing required field: {name}")
    if isinstance(value, dict | list):
        raise SlackError("invalid_arguments", f"must provide a string: {name}")
    return str(value)


def text(given: Arguments, name: str) -> str:
    """An argument, empty if it is not there."""
    return str(given.get(name) or "")


def flag(given: Arguments, name: str, default: bool = False) -> bool:
    """A yes or no."""
    value = given.get(name)
    return default if value is None or value == "" else value in (True, 1, "1", "true", "True")


def names(given: Arguments, name: str) -> list[str]:
    """A list, joined by commas or not."""
    value = given.get(name) or []
    found = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    return [str(one).strip() for one in found if str(one).strip()]


def number(given: Arguments, name: str, default: float, error: str) -> float:
    """A number; raises SlackError *error* for what is none."""
    if given.get(name) in (None, ""):
        return default
    try:
        found = float(given[name])
    except (TypeError, ValueError) as problem:
        raise SlackError(error) from problem
    if not math.isfinite(found):
        raise SlackError(error)
    return found


def page(rows: Sequence[T], given: Arguments, default_limit: int = DEFAULT_LIMIT) -> tuple[list[T], str]:
    """One page of *rows* and the cursor of the next one, empty at the end.

    Raises: SlackError `invalid_limit` or `invalid_cursor`.
    """
    limit = int(number(given, "limit", default_limit, "invalid_limit"))
    if not 1 <= limit <= MAX_LIMIT:
        raise SlackError("invalid_limit")
    start = _start(given.get("cursor"))
    if start > len(rows):
        raise SlackError("invalid_cursor")
    end = start + limit
    return list(rows[start:end]), cursor("offset", str(end)) if end < len(rows) else ""


def cursor(kind: str, value: str) -> str:
    """A cursor as Slack's look: text that says nothing to who passes it on."""
    return base64.b64encode(f"{kind}:{value}".encode()).decode()


def cursor_value(given: object, kind: str) -> str | None:
    """What a cursor of ours says, None if there is none; raises SlackError."""
    if not given:
        return None
    try:
        found, _, value = base64.b64decode(str(given), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise SlackError("invalid_cursor") from error
    if found != kind:
        raise SlackError("invalid_cursor")
    return value


def paged(name: str, rows: Sequence[Any], given: Arguments, default_limit: int = DEFAULT_LIMIT) -> Answer:
    """The answer that holds one page of *rows* under *name*."""
    found, following = page(rows, given, default_limit)
    return {name: found, "response_metadata": {"next_cursor": following}}


def _start(given: object) -> int:
    value = cursor_value(given, "offset")
    if value is None:
        return 0
    if not value.isascii() or not value.isdigit() or len(value) > MAX_CURSOR_DIGITS:
        raise SlackError("invalid_cursor")
    return int(value)
