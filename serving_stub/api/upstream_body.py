"""What a client asks of the upstream: its body, read up to a limit, and asked for a token count where it streams."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json
from starlette.types import Receive, Scope

_GENERATION_PATHS = frozenset({"/v1/chat/completions", "/v1/completions"})
_WITH_USAGE = b'{"stream_options":{"include_usage":true},'


class ClientGone(Exception):
    """The client left before its request was complete."""


class BodyTooLarge(Exception):
    """The body is larger than is accepted."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it is sent on.

    Args:
        is_generation: whether tokens are to be counted.
        is_stream: whether the answer comes in events.
        hides_usage: whether the upstream is asked for a count that the client did not ask for.
    """

    body: bytes
    is_generation: bool
    is_stream: bool = False
    hides_usage: bool = False


async def read_body(scope: Scope, receive: Receive, max_bytes: int) -> bytes:
    """The whole body.

    Raises: BodyTooLarge, ClientGone.
    """
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        pieces: list[bytes] = [message.get("body", b"")]
    else:
        pieces = []
        num_bytes = 0
        while message["type"] == "http.request":
            pieces.append(message.get("body", b""))
            num_bytes += len(pieces[-1])
            if num_bytes > max_bytes or not message.get("more_body"):
                break
            message = await receive()
        else:
            raise ClientGone
    body = b"".join(pieces)
    if len(body) > max_bytes:
        raise BodyTooLarge(f"the body is larger than the {max_bytes} bytes that are accepted")
    return body


def asked_of(scope: Scope, body: bytes, asks_usage: bool) -> Asked:
    """What to send on: the very bytes of *body*, but for the wish for a token count.

    A body that is no JSON object is sent as it is; the upstream says what is wrong with it.
    """
    if scope["path"] not in _GENERATION_PATHS or scope["method"] != "POST":
        return Asked(body, is_generation=False)
    if b'"stream"' not in body:
        return Asked(body, is_generation=True)
    try:
        content: Any = from_json(body)
    except ValueError:
        return Asked(body, is_generation=True)
    if not isinstance(content, dict) or content.get("stream") is not True:
        return Asked(body, is_generation=True)
    options = content.get("stream_options")
    if not asks_usage or (isinstance(options, dict) and options.get("include_usage") is True):
        return Asked(body, is_generation=True, is_stream=True)
    if "stream_options" not in content:
        body = _WITH_USAGE + body.lstrip()[1:]
    elif options is None or isinstance(options, dict):
        content["stream_options"] = {**(options or {}), "include_usage": True}
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    else:
        return Asked(body, is_generation=True, is_stream=True)
    return Asked(body, is_generation=True, is_stream=True, hides_usage=True)
