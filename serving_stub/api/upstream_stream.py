"""An upstream's event stream on its way to the client: checked event by event, passed on as the bytes that came.

Pure: bytes in, bytes out, and a `Served` that fills. Every event is parsed (a microsecond or two), so that no rubbish
reaches a client and tokens are counted exactly; only complete events are passed on, so that whatever happens to the
upstream a client never meets half of one.

Source: the WHATWG HTML standard, "Server-sent events"; OpenAI's API reference, "Chat completion chunk".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from operator import is_
from typing import Any

from pydantic_core import from_json

from serving_stub.api.errors import ApiError
from serving_stub.frontdoor.served import Served

DONE = b"data: [DONE]\n\n"
_MOST_UNFINISHED_BYTES = 1 << 20
_OTHER_FIELDS = (b":", b"event:", b"id:", b"retry:")


class BadStream(Exception):
    """What came is no event stream of OpenAI's; nothing of the piece may be passed on."""


def event_of(error: ApiError) -> bytes:
    """An error inside a stream that has begun, and the stream's end."""
    return b"data: " + error.body().model_dump_json().encode() + b"\n\n" + DONE


class StreamRelay:
    """One stream.

    Args:
        served: is filled as the stream passes.
        hides_usage: whether the client did not ask for the usage that the upstream was asked for.
    """

    def __init__(self, served: Served, *, hides_usage: bool) -> None:
        self._served = served
        self._hides_usage = hides_usage
        self._unfinished = b""
        self._num_contents = 0
        self._is_done = False
        self.has_content = False

    @property
    def is_complete(self) -> bool:
        """Whether the upstream said all that it had to say: its `[DONE]`, or at least why it ended."""
        return self._is_done or self._served.finish_reason is not None or self._served.error_code is not None

    def feed(self, piece: bytes) -> bytes:
        """What of *piece* and of what was kept before can be passed on now; empty until an event is complete.

        Raises: BadStream.
        """
        if self._unfinished:
            piece = self._unfinished + piece
            self._unfinished = b""
        if b"\r" in piece:
            # A lone CR at the end may be half a CRLF.
            piece, kept = (piece[:-1], b"\r") if piece.endswith(b"\r") else (piece, b"")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + kept
        if not piece.endswith(b"\n\n"):
            end = piece.rfind(b"\n\n") + 2
            self._unfinished = piece[end:] if end > 1 else piece
            if len(self._unfinished) > _MOST_UNFINISHED_BYTES:
                raise BadStream
            if end == 1:
                return b""
            piece = piece[:end]
        events = piece[:-2].split(b"\n\n")
        passed = [event for event in map(self._pass, events) if event is not None]
        if len(passed) == len(events) and all(map(is_, passed, events)):
            return piece
        return b"".join(event + b"\n\n" for event in passed)

    def end(self) -> bytes:
        """What is still to be sent when the upstream has ended its stream properly.

        Raises: BadStream when it broke off in the middle: no `[DONE]`, no finish reason.
        """
        self.settle()
        if not self.is_complete:
            raise BadStream
        return b"" if self._is_done else DONE

    def settle(self) -> None:
        """Count the tokens ourselves where the upstream did not."""
        if self._served.completion_tokens is None:
            self._served.completion_tokens = self._num_contents

    def _pass(self, event: bytes) -> bytes | None:
        """The event as it is to be passed on; None when the client is not to see it."""
        data = event[6:] if event.startswith(b"data: ") and b"\n" not in event else _data_of(event)
        if not data:
            return event
        if data == b"[DONE]":
            self._is_done = True
            return event
        try:
            body = from_json(data)
        except ValueError:
            raise BadStream from None
        if not isinstance(body, dict):
            raise BadStream
        choices = body.get("choices")
        if choices:
            self._read(choices)
        elif choices is None and ("error" in body or body.get("object") == "error"):
            self._served.error_code = code_of(body)
        if "usage" not in body:
            return event
        usage = body["usage"]
        if usage is not None:
            read_usage(usage, self._served)
        if not self._hides_usage:
            return event
        if usage is None:
            # Inside a JSON string these bytes cannot be: its quote would end the string, and a name would follow.
            return event.replace(b',"usage":null', b"").replace(b', "usage": null', b"")
        if not choices:
            return None
        del body["usage"]
        return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

    def _read(self, choices: Any) -> None:
        try:
            choice = choices[0]
            delta = choice.get("delta")
            has_content = bool(choice.get("text")) if delta is None else _has_content(delta)
            text = choice.get("text") if delta is None else delta.get("content")
            finish_reason = choice.get("finish_reason")
        except (AttributeError, KeyError, TypeError):
            raise BadStream from None
        if has_content:
            self.has_content = True
            self._num_contents += 1
            if isinstance(text, str):
                self._served.say(text)
        if isinstance(finish_reason, str) and self._served.finish_reason is None:
            self._served.finish_reason = finish_reason


def read_usage(usage: Any, served: Served) -> None:
    """Take the upstream's own count, as far as it gives one."""
    if not isinstance(usage, Mapping):
        return
    details = usage.get("prompt_tokens_details")
    served.prompt_tokens = _count(usage.get("prompt_tokens"), served.prompt_tokens)
    served.completion_tokens = _count(usage.get("completion_tokens"), served.completion_tokens)
    if isinstance(details, Mapping):
        served.cached_tokens = _count(details.get("cached_tokens"), served.cached_tokens)


def code_of(body: Mapping[str, Any]) -> str:
    """The machine-readable reason in an upstream's error, which vLLM and others write in several ways."""
    error = body.get("error")
    error = error if isinstance(error, Mapping) else body
    found = next((error[name] for name in ("code", "type") if isinstance(error.get(name), str)), None)
    return found or "upstream_error"


def _has_content(delta: Mapping[str, Any]) -> bool:
    """Reasoning and tool calls are generated tokens too."""
    if delta.get("content"):
        return True
    return any(delta.get(name) for name in ("reasoning_content", "reasoning", "tool_calls", "refusal"))


def _data_of(event: bytes) -> bytes:
    lines = []
    for line in event.split(b"\n"):
        if line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
        elif line and not line.startswith(_OTHER_FIELDS):
            raise BadStream
    return b"\n".join(lines)


def _count(value: Any, otherwise: int | None) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise
