"""What a client's request is to the upstream: its URL, the headers that go on, and its body.

The body is read up to a limit, and passed on as it came but for the wish for a token count where it streams.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json
from starlette.types import Receive, Scope
from yarl import URL

from serving_stub.api.upstream_settings import UpstreamSettings

_PASSED_ON = frozenset(
    {b"accept", b"content-type", b"user-agent", b"x-request-id", b"traceparent", b"tracestate", b"idempotency-key"}
    | {b"openai-organization", b"openai-project", b"openai-beta"}
)
"""Request headers that reach the upstream: no key, cookie or address of a client can slip through a list like this."""

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


def headers_of(scope: Scope, settings: UpstreamSettings) -> Mapping[str, str]:
    """The headers to send."""
    headers = {"accept-encoding": "identity"}
    authorization = None
    for name, value in scope["headers"]:
        if name in _PASSED_ON:
            headers[name.decode("latin-1")] = value.decode("latin-1")
        elif name == b"authorization":
            authorization = value.decode("latin-1")
    if settings.key is not None:
        headers["authorization"] = f"Bearer {settings.key.get_secret_value()}"
    elif settings.passes_key and authorization is not None:
        headers["authorization"] = authorization
    return headers


def url_of(scope: Scope, root: str) -> URL | None:
    """Where to ask; None for a path that is not under /v1, or leads out of it again."""
    path: str = scope["path"]
    if not path.startswith("/v1/") or any(part in (".", "..") for part in path.replace("\\", "/").split("/")):
        return None
    raw = scope.get("raw_path") or path.encode()
    query = scope.get("query_string", b"")
    target = raw.decode("latin-1").split("?", 1)[0] + (f"?{query.decode('latin-1')}" if query else "")
    return URL(root + target, encoded=True)
