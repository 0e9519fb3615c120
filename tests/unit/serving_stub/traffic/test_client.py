"""What one user of the traffic generator makes of what a server sends."""

from __future__ import annotations

import json
import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from serving_stub.traffic.client import TrafficClient
from serving_stub.traffic.report import Tally
from serving_stub.traffic.scenarios import Ask


def event(text: str, finish_reason: str | None = None) -> str:
    """One `data:` event as a server writes it, other alphabets unescaped."""
    body = {"choices": [{"delta": {"content": text}, "finish_reason": finish_reason}]}
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


async def answered(response: Response) -> Tally:
    """What a user counts whom a server answers with *response*."""

    async def completions(_: Request) -> Response:
        return response

    app = Starlette(routes=[Route("/v1/chat/completions", completions, methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as http:
        tally = Tally()
        await TrafficClient(http, "tiny", time.monotonic).ask(Ask(0.0, "hello", 0), 4, tally, time.monotonic())
    return tally


@pytest.mark.parametrize("text", ["one", "\x85", "\u2028", "\u2029", "\x0b", "a\nb"])
async def test_an_answer_may_hold_any_character(text: str) -> None:
    """Only the line ends of the event stream's own rule end a line."""
    whole = (event(text), event("", "length"), "data: [DONE]\n\n")
    tally = await answered(StreamingResponse(iter(whole), media_type="text/event-stream"))
    assert (tally.done, tally.failed, tally.tokens, tally.errors) == (1, 0, 1, {})


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (Response("{}", 503), "status_503"),
        (Response("{}", 200, media_type="application/json"), "not_a_stream"),
        (Response('data: {"error": {}}\n\n', media_type="text/event-stream"), "error_event"),
        (Response(event("half"), media_type="text/event-stream"), "cut_short"),
    ],
)
async def test_a_failure_is_counted_by_its_reason(response: Response, reason: str) -> None:
    """An answer that is none is not counted as done."""
    tally = await answered(response)
    assert (tally.done, tally.errors) == (0, {reason: 1})
