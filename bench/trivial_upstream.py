"""An OpenAI-compatible server that does nothing but stream canned chunks, as cheaply as Python can.

`python bench/trivial_upstream.py --port 9000 --rate 50` answers any prompt: a request gets `max_tokens` chunks, each
written by itself as an engine would, at the rate of tokens a second that was chosen (0: as fast as the client reads).
It reads HTTP/1.1 by hand, so what a benchmark in front of it measures is the front.
"""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import click

MODEL = "trivial"
_HEAD_END = b"\r\n\r\n"
_DEFAULT_TOKENS = 16
_PROMPT_TOKENS = 8
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_METRICS = b"# HELP vllm:num_requests_running Streams.\n# TYPE vllm:num_requests_running gauge\n"


def _event(choices: list[dict[str, Any]], **more: Any) -> bytes:
    head = {"id": "chatcmpl-0", "object": "chat.completion.chunk", "created": 1790000000, "model": MODEL}
    return _chunk(f"data: {json.dumps({**head, 'choices': choices, **more}, separators=(',', ':'))}\n\n".encode())


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _delta(delta: dict[str, str], finish_reason: str | None = None) -> list[dict[str, Any]]:
    return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]


def _usage(num_tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": _PROMPT_TOKENS,
        "completion_tokens": num_tokens,
        "total_tokens": _PROMPT_TOKENS + num_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


_ROLE = _event(_delta({"role": "assistant", "content": ""}))
_TOKEN = _event(_delta({"content": " token"}))
_FINISH = _event(_delta({}, "length"))
_END = _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client; requests come one after the other.

    Args:
        rate: tokens a second of each stream; 0 for as fast as they are taken.
    """

    num_open = 0
    transport: asyncio.Transport

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._read = b""
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._is_paused = False
        self._resume: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._finish()

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        if self._resume is not None:
            left, self._resume = self._resume, None
            self._step(left)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, found, rest = self._read.partition(_HEAD_END)
        if not found:
            return
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        if len(rest) < length:
            return
        body, self._read = rest[:length], rest[length:]
        self._answer(head.split(b" ", 2)[1], body)

    def _answer(self, path: bytes, body: bytes) -> None:
        if path == b"/metrics":
            sample = b'vllm:num_requests_running{engine="0"} %d\n' % Connection.num_open
            self._whole(_METRICS + sample, b"text/plain; version=0.0.4; charset=utf-8")
        elif not body:
            listed = {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": MODEL}]}
            self._whole(json.dumps(listed).encode(), b"application/json")
        else:
            asked = json.loads(body)
            num_tokens = int(asked.get("max_completion_tokens") or asked.get("max_tokens") or _DEFAULT_TOKENS)
            if not asked.get("stream"):
                self._whole(_completion(num_tokens), b"application/json")
                return
            wants_usage = (asked.get("stream_options") or {}).get("include_usage")
            self._tail = _FINISH + (_event([], usage=_usage(num_tokens)) if wants_usage else b"") + _END
            Connection.num_open += 1
            self.transport.write(_STREAM_HEAD + _ROLE)
            self._next_at = asyncio.get_running_loop().time()
            self._step(num_tokens)

    def _step(self, num_left: int) -> None:
        """One token, and a time for the next."""
        if num_left == 0:
            self.transport.write(self._tail)
            self._finish()
            return
        if self._is_paused:
            self._resume = num_left
            return
        self.transport.write(_TOKEN)
        loop = asyncio.get_running_loop()
        if self._rate:
            self._next_at += 1 / self._rate
            self._timer = loop.call_at(self._next_at, self._step, num_left - 1)
        else:
            self._timer = loop.call_soon(self._step, num_left - 1)

    def _finish(self) -> None:
        self._timer = None
        Connection.num_open -= 1

    def _whole(self, body: bytes, content_type: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (content_type, len(body), body)
        )


def _completion(num_tokens: int) -> bytes:
    message = {"role": "assistant", "content": " token" * num_tokens, "refusal": None}
    choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": "length"}]
    head = {"id": "chatcmpl-0", "object": "chat.completion", "created": 1790000000, "model": MODEL}
    return json.dumps({**head, "choices": choices, "usage": _usage(num_tokens)}).encode()


async def serve(port: int, rate: float) -> None:
    """Serve until cancelled."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(rate), "127.0.0.1", port)
    click.echo(f"ready on http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        await server.serve_forever()


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=9000, show_default=True, help="0 takes a free one.")
@click.option("--rate", type=click.FloatRange(0), default=50.0, show_default=True, help="Tokens a second of a stream.")
def main(port: int, rate: float) -> None:
    """Stream canned chunks."""
    asyncio.run(serve(port, rate))


if __name__ == "__main__":
    main()
