"""Fallback answers on the wire: a notice written by the door alone, and a guard on what a backend sends.

Nothing in an answer tells that it is one: ids, model, fields and finish reasons are those of any other.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

from serving_stub.frontdoor.asked import Endpoint
from serving_stub.frontdoor.fallback_guard import Guard
from serving_stub.frontdoor.prompt_library import FallbackPrompt

MOST_ANSWER_BYTES = 4 << 20
_CHARACTERS_PER_TOKEN = 4
_DONE = b"data: [DONE]\n\n"
_PLAIN = {"id", "object", "created", "model", "usage", "system_fingerprint", "service_tier"}
_KINDS = {"chat": ("chatcmpl", "chat.completion", "chat.completion.chunk"), "text": ("cmpl", *["text_completion"] * 2)}
_WORDS_PER_PIECE = 3


def notice_answer(
    body: Mapping[str, Any], prompt: FallbackPrompt, endpoint: Endpoint, *, model: str, now: float
) -> tuple[str, list[bytes]]:
    """The notice as an answer of *model*, whole or as a stream, as *body* asked.

    Usage is what the texts would have cost, roughly; nobody is billed for it.
    Returns: the media type and the pieces of the body.
    """
    text = prompt.notice.words if prompt.notice is not None else ""
    usage = _usage(body, text)
    if body.get("stream") is not True:
        whole = _answer(endpoint, model, now, [_whole_choice(endpoint, text, "stop")], is_chunk=False)
        return "application/json", [_json(whole | {"usage": usage})]
    options = body.get("stream_options")
    wants_usage = isinstance(options, Mapping) and options.get("include_usage") is True
    nothing_yet = {"usage": None} if wants_usage else {}
    head = _answer(endpoint, model, now, [], is_chunk=True) | nothing_yet
    events = [head | {"choices": [choice]} for choice in _stream_choices(endpoint, text)]
    if wants_usage:
        events.append(head | {"usage": usage})
    return "text/event-stream; charset=utf-8", [*(_event(event) for event in events), _DONE]


class GuardedSend:
    """An ASGI `send` that holds a backend's answer to its prompt file; errors of the backend pass as they are."""

    def __init__(self, send: Send, prompt: FallbackPrompt, endpoint: Endpoint, *, model: str, now: float) -> None:
        self._send = send
        self._endpoint = endpoint
        self._model = model
        self._now = now
        self._guard = Guard(prompt)
        self._start: Message | None = None
        self._is_guarded = False
        self._is_stream = False
        self._is_finished = False
        self._buffer = b""
        self._last_chunk: dict[str, Any] | None = None

    @property
    def is_refused(self) -> bool:
        """Whether the refusal text went out, for logs."""
        return self._guard.is_refused

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif message["type"] != "http.response.body" or not self._is_guarded:
            await self._send(message)
        elif self._is_stream:
            await self._pass_events(message.get("body", b""), is_last=not message.get("more_body", False))
        else:
            await self._collect(message.get("body", b""), is_last=not message.get("more_body", False))

    async def _begin(self, message: Message) -> None:
        self._start = message
        headers = MutableHeaders(scope=message)
        self._is_guarded = message["status"] == 200
        self._is_stream = headers.get("content-type", "").startswith("text/event-stream")
        if self._is_guarded and self._is_stream:
            del headers["content-length"]
        if not self._is_guarded or self._is_stream:
            await self._send(message)

    async def _collect(self, content: bytes, *, is_last: bool) -> None:
        if len(self._buffer) <= MOST_ANSWER_BYTES:
            self._buffer += content
        if not is_last or self._start is None:
            return
        body = _json(self._guarded(_read(self._buffer)))
        headers = MutableHeaders(scope=self._start)
        headers["content-length"] = str(len(body))
        headers["content-type"] = "application/json"
        del headers["content-encoding"]
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})

    def _guarded(self, answer: dict[str, Any] | None) -> dict[str, Any]:
        choice = _choice_of(answer)
        text = self._guard.push(_text_of(choice, "message")) + self._guard.finish()
        finish_reason = self._finish_reason(choice.get("finish_reason"))
        if answer is None:
            answer = _answer(self._endpoint, self._model, self._now, [], is_chunk=False)
            answer["usage"] = _usage({}, text)
        return _plain(answer) | {"choices": [_like(choice, _whole_choice(self._endpoint, text, finish_reason))]}

    async def _pass_events(self, content: bytes, *, is_last: bool) -> None:
        if len(self._buffer) <= MOST_ANSWER_BYTES:
            self._buffer += content
        *whole, self._buffer = self._buffer.replace(b"\r\n", b"\n").split(b"\n\n")
        out = b"".join(piece for event in whole for piece in self._events_for(event))
        if is_last:
            out += b"".join(self._close())
        if out or is_last:
            await self._send({"type": "http.response.body", "body": out, "more_body": not is_last})

    def _events_for(self, event: bytes) -> Iterator[bytes]:
        data = b"\n".join(line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
        if data == b"[DONE]":
            yield from self._close()
            yield _DONE
            return
        chunk = _read(data)
        if chunk is None:
            return
        if "error" in chunk:
            self._is_finished = True
            yield _event({"error": chunk["error"]})
        elif not chunk.get("choices"):
            yield from self._close()
            yield _event(_plain(chunk) | {"choices": []})
        elif not self._is_finished:
            yield from self._guarded_chunk(chunk)

    def _guarded_chunk(self, chunk: dict[str, Any]) -> Iterator[bytes]:
        choice = _choice_of(chunk)
        if choice.get("index", 0) != 0:
            return
        self._last_chunk = chunk
        is_opening = isinstance(choice.get("delta"), Mapping) and "role" in choice["delta"]
        text = self._guard.push(_text_of(choice, "delta"))
        if choice.get("finish_reason") is not None or self._guard.is_closed:
            yield from self._close(text)
        elif text or is_opening:
            yield self._chunk(text, None, is_opening=is_opening)

    def _close(self, text: str = "") -> Iterator[bytes]:
        """The last of the text and the finish reason, once."""
        if self._is_finished or self._last_chunk is None:
            return
        self._is_finished = True
        text += self._guard.finish()
        yield self._chunk(text, self._finish_reason(_choice_of(self._last_chunk).get("finish_reason")))

    def _chunk(self, text: str, finish_reason: str | None, *, is_opening: bool = False) -> bytes:
        like = self._last_chunk or {}
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish_reason}
        if self._endpoint == "text":
            choice["text"] = text
        else:
            role = {"role": "assistant"} if is_opening else {}
            choice["delta"] = role | {"content": text}
        return _event(_plain(like) | {"choices": [_like(_choice_of(like), choice)]})

    def _finish_reason(self, of_the_model: Any) -> str:
        if self._guard.is_cut:
            return "length"
        return of_the_model if of_the_model in ("stop", "length") and not self._guard.is_refused else "stop"


def _answer(
    endpoint: Endpoint, model: str, now: float, choices: list[dict[str, Any]], *, is_chunk: bool
) -> dict[str, Any]:
    prefix, whole, chunk = _KINDS[endpoint]
    return {
        "id": f"{prefix}-{secrets.token_hex(12)}",
        "object": chunk if is_chunk else whole,
        "created": int(now),
        "model": model,
        "choices": choices,
    }


def _whole_choice(endpoint: Endpoint, text: str, finish_reason: str) -> dict[str, Any]:
    said: dict[str, Any] = (
        {"text": text} if endpoint == "text" else {"message": {"role": "assistant", "content": text, "refusal": None}}
    )
    return {"index": 0, **said, "logprobs": None, "finish_reason": finish_reason}


def _stream_choices(endpoint: Endpoint, text: str) -> Iterator[dict[str, Any]]:
    words = text.split(" ")
    pieces = [" ".join(words[i : i + _WORDS_PER_PIECE]) for i in range(0, len(words), _WORDS_PER_PIECE)]
    texts = [piece if index == 0 else f" {piece}" for index, piece in enumerate(pieces)]
    rest = {"logprobs": None, "finish_reason": None}
    if endpoint == "text":
        yield from ({"index": 0, "text": piece} | rest for piece in texts)
        yield {"index": 0, "text": ""} | rest | {"finish_reason": "stop"}
        return
    yield {"index": 0, "delta": {"role": "assistant", "content": ""}} | rest
    yield from ({"index": 0, "delta": {"content": piece}} | rest for piece in texts)
    yield {"index": 0, "delta": {"content": ""}} | rest | {"finish_reason": "stop"}


def _usage(body: Mapping[str, Any], text: str) -> dict[str, Any]:
    asked = json.dumps(body.get("messages") or body.get("prompt") or "", ensure_ascii=False)
    num_prompt = math.ceil(len(asked) / _CHARACTERS_PER_TOKEN)
    num_said = math.ceil(len(text) / _CHARACTERS_PER_TOKEN)
    return {
        "prompt_tokens": num_prompt,
        "completion_tokens": num_said,
        "total_tokens": num_prompt + num_said,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def _plain(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that every answer has; the others keep their names, without what might be in them."""
    return {name: value if name in _PLAIN else None for name, value in answer.items()}


def _like(given: Mapping[str, Any], choice: dict[str, Any]) -> dict[str, Any]:
    """*choice* with the fields of the one that was *given*."""
    shaped = {name: choice.get(name) for name in given} | choice
    for name in ("message", "delta"):
        if isinstance(given.get(name), Mapping) and name in choice:
            extra = {key: None for key in given[name] if key not in ("role", "content")} if name == "message" else {}
            shaped[name] = extra | choice[name]
    return shaped


def _read(content: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _choice_of(answer: Mapping[str, Any] | None) -> Mapping[str, Any]:
    choices = answer.get("choices") if answer is not None else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, Mapping) else {}


def _text_of(choice: Mapping[str, Any], part: str) -> str:
    message = choice.get(part)
    text = message.get("content") if isinstance(message, Mapping) else choice.get("text")
    return text if isinstance(text, str) else ""


def _json(answer: Mapping[str, Any]) -> bytes:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def _event(chunk: Mapping[str, Any]) -> bytes:
    return b"data: " + _json(chunk) + b"\n\n"
