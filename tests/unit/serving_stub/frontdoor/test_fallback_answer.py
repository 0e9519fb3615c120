"""Fallback answers look like all others on the wire, and a backend's answer is held to its file on its way out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.types import Message

from serving_stub.api.schema import PromptTokensDetails, Usage
from serving_stub.api.shape import ChatShape, TextShape
from serving_stub.frontdoor.asked import Endpoint
from serving_stub.frontdoor.fallback_answer import GuardedSend, notice_answer
from serving_stub.frontdoor.prompt_library import FallbackPrompt
from tests.support.fallback_layers import prompt

NOW = 1_790_000_000.7
NOTICE = prompt("notice", "notice")
WORDS = "Access is limited.\n\nhttps://example.com/appeal"
CAT = prompt(expect_regex="^Meow", max_chars=20)
USAGE = Usage(
    prompt_tokens=5, completion_tokens=3, total_tokens=8, prompt_tokens_details=PromptTokensDetails(cached_tokens=0)
)
ENDPOINTS: list[Endpoint] = ["chat", "text"]


def shape(endpoint: Endpoint) -> ChatShape | TextShape:
    """How the backend writes."""
    prefix, made = ("chatcmpl", ChatShape) if endpoint == "chat" else ("cmpl", TextShape)
    return made(f"{prefix}-1", "smollm2", int(NOW))


def notice(endpoint: Endpoint, **asked: object) -> tuple[str, list[bytes]]:
    """The door's own answer."""
    body = {"messages": [{"role": "user", "content": "Hi"}], "prompt": "Hi"} | asked
    return notice_answer(body, NOTICE, endpoint, model="smollm2", now=NOW)


def events(pieces: list[bytes]) -> list[dict[str, Any]]:
    """The chunks of a stream, which must end with [DONE]."""
    *chunks, done = b"".join(pieces).decode().strip().split("\n\n")
    assert done == "data: [DONE]"
    return [json.loads(chunk.removeprefix("data: ")) for chunk in chunks]


def text_of(chunks: list[dict[str, Any]]) -> str:
    """All that a stream says."""
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return "".join(one["delta"].get("content", "") if "delta" in one else one["text"] for one in choices)


def skeleton(value: Any) -> Any:
    """The fields and the types of their values."""
    if isinstance(value, dict):
        return {name: skeleton(one) for name, one in value.items()}
    if isinstance(value, list):
        return [skeleton(one) for one in value]
    return type(value).__name__


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_notice_is_shaped_as_the_models_answers(endpoint: Endpoint) -> None:
    """The same fields in the same order, down to usage."""
    media_type, (body,) = notice(endpoint)
    ours, models = json.loads(body), json.loads(shape(endpoint).whole("x", "stop", USAGE).model_dump_json())
    assert media_type == "application/json"
    assert skeleton(ours) == skeleton(models)
    assert list(ours) == list(models)
    assert (ours["model"], ours["created"], len(ours["id"].split("-")[1])) == ("smollm2", 1_790_000_000, 24)
    assert (ours["choices"][0].get("text") or ours["choices"][0]["message"]["content"]) == WORDS


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("wants_usage", [False, True])
def test_a_streamed_notice_is_shaped_as_the_models_streams(endpoint: Endpoint, wants_usage: bool) -> None:
    """Opening, pieces, the end, and usage only where it was asked for."""
    options = {"stream_options": {"include_usage": True}} if wants_usage else {}
    media_type, pieces = notice(endpoint, stream=True, **options)
    chunks = events(pieces)
    as_the_model = shape(endpoint)
    left_out = None if wants_usage else {"usage"}
    one_piece = json.loads(as_the_model.piece("x", None).model_dump_json(exclude=left_out))
    assert media_type.startswith("text/event-stream")
    assert text_of(chunks) == WORDS
    assert skeleton(chunks[1 if endpoint == "chat" else 0]) == skeleton(one_piece)
    ends = [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"]]
    assert ends[-1] == "stop"
    assert set(ends[:-1]) == {None}
    if wants_usage:
        assert skeleton(chunks[-1]) == skeleton(json.loads(as_the_model.usage_piece(USAGE).model_dump_json()))
    else:
        assert all("usage" not in chunk for chunk in chunks)


class Sent:
    """Keeps what was sent."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(dict(message))

    @property
    def body(self) -> bytes:
        return b"".join(one.get("body", b"") for one in self.messages if one["type"] == "http.response.body")

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}


async def relay(
    content: list[bytes],
    *,
    media_type: str = "application/json",
    status: int = 200,
    endpoint: Endpoint = "chat",
    file: FallbackPrompt = CAT,
) -> tuple[Sent, GuardedSend]:
    """What reaches the client of a backend that sends *content*."""
    sent = Sent()
    guarded = GuardedSend(sent, file, endpoint, model="smollm2", now=NOW)
    headers = [(b"content-type", media_type.encode()), (b"content-length", b"999")]
    await guarded({"type": "http.response.start", "status": status, "headers": headers})
    for piece in content:
        await guarded({"type": "http.response.body", "body": piece, "more_body": True})
    await guarded({"type": "http.response.body", "body": b""})
    return sent, guarded


def whole(endpoint: Endpoint, text: str) -> bytes:
    """A backend's answer in one."""
    return shape(endpoint).whole(text, "stop", USAGE).model_dump_json().encode()


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_an_answer_that_fits_is_not_changed(endpoint: Endpoint) -> None:
    """Field by field the same."""
    sent, guarded = await relay([whole(endpoint, "Meow, hello.")], endpoint=endpoint)
    assert json.loads(sent.body) == json.loads(whole(endpoint, "Meow, hello."))
    assert sent.headers["content-length"] == str(len(sent.body))
    assert not guarded.is_refused


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_an_answer_that_does_not_fit_is_replaced(endpoint: Endpoint) -> None:
    """By the refusal text, with everything else as the backend said it."""
    content = whole(endpoint, "The airspeed")
    sent, guarded = await relay([content[:30], content[30:]], endpoint=endpoint)
    assert json.loads(sent.body) == json.loads(whole(endpoint, "Meow, no."))
    assert guarded.is_refused


async def test_a_long_answer_is_cut_and_says_so() -> None:
    """As one that met its token limit."""
    sent, _ = await relay([whole("chat", "Meow " * 9)])
    choice = json.loads(sent.body)["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Meow Meow Meow Meow ", "length")


async def test_what_is_not_text_does_not_pass() -> None:
    """Tool calls, reasoning, log probabilities and further choices keep their names and lose their content."""
    answer = json.loads(whole("chat", "Meow."))
    answer["choices"][0]["message"] |= {"tool_calls": [{"id": "x"}], "reasoning_content": "Hmm"}
    answer["choices"][0] |= {"logprobs": {"content": []}, "token_ids": [1]}
    answer["choices"].append(answer["choices"][0])
    answer["prompt_token_ids"] = [1, 2]
    sent, _ = await relay([json.dumps(answer).encode()])
    got = json.loads(sent.body)
    assert got["prompt_token_ids"] is None
    assert got["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Meow.",
                "refusal": None,
                "tool_calls": None,
                "reasoning_content": None,
            },
            "logprobs": None,
            "finish_reason": "stop",
            "token_ids": None,
        }
    ]


@pytest.mark.parametrize("content", [b"", b"rubbish", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"choices": 7}'])
async def test_what_cannot_be_read_becomes_the_refusal(content: bytes) -> None:
    """Nothing goes out that was not checked."""
    sent, guarded = await relay([content])
    assert json.loads(sent.body)["choices"][0]["message"]["content"] == "Meow, no."
    assert guarded.is_refused


async def test_errors_of_the_backend_pass() -> None:
    """They say nothing of the prompt, and they are the same for everybody."""
    sent, _ = await relay([b'{"error": {"code": "engine_error"}}'], status=500)
    assert sent.body == b'{"error": {"code": "engine_error"}}'
    assert sent.headers["content-length"] == "999"


def stream(endpoint: Endpoint, *texts: str, finish_reason: str = "stop") -> list[bytes]:
    """A backend's stream."""
    written = shape(endpoint)
    opening = written.opening()
    chunks = [opening] if opening is not None else []
    chunks += [written.piece(text, None) for text in texts]
    chunks += [written.piece("", finish_reason), written.usage_piece(USAGE)]
    return [b"data: " + chunk.model_dump_json().encode() + b"\n\n" for chunk in chunks] + [b"data: [DONE]\n\n"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_a_stream_that_fits_says_the_same(endpoint: Endpoint, size: int) -> None:
    """However the network cuts it; chunks look as before, and usage comes last."""
    content = b"".join(stream(endpoint, "Me", "ow, ", "hello."))
    pieces = [content[i : i + size] for i in range(0, len(content), size)]
    sent, _ = await relay(pieces, media_type="text/event-stream", endpoint=endpoint)
    chunks = events([sent.body])
    model = events([content])
    assert text_of(chunks) == "Meow, hello."
    assert chunks[-1] == model[-1]
    assert [skeleton(chunk) for chunk in chunks[-2:]] == [skeleton(chunk) for chunk in model[-2:]]
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert "content-length" not in sent.headers
    assert sent.messages[-1]["more_body"] is False


@pytest.mark.parametrize(
    ("texts", "said", "finish_reason"),
    [
        (["The ", "airspeed"], "Meow, no.", "stop"),
        (["Meow " * 3, "Meow " * 3, "more"], "Meow Meow Meow Meow ", "length"),
        ([], "Meow, no.", "stop"),
    ],
    ids=["refused", "cut", "empty"],
)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_a_stream_that_does_not_fit_is_put_right(
    endpoint: Endpoint, texts: list[str], said: str, finish_reason: str
) -> None:
    """Nothing unfit is ever sent; there is one finish reason, and it fits."""
    sent, _ = await relay(stream(endpoint, *texts), media_type="text/event-stream", endpoint=endpoint)
    chunks = events([sent.body])
    ends = [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"]]
    assert text_of(chunks) == said
    assert [end for end in ends if end is not None] == [finish_reason]


async def test_a_stream_that_breaks_off_shows_its_error() -> None:
    """The error event is the last word; text that was held is not made up for."""
    broken = [*stream("chat", "The")[:2], b'data: {"error": {"code": "engine_died"}}\n\n', b"data: [DONE]\n\n"]
    sent, _ = await relay(broken, media_type="text/event-stream")
    chunks = events([sent.body])
    assert [chunk["choices"][0]["delta"] for chunk in chunks[:-1]] == [{"role": "assistant", "content": ""}]
    assert chunks[-1] == {"error": {"code": "engine_died"}}


async def test_rubbish_in_a_stream_is_dropped() -> None:
    """Comments and events that are no JSON do not reach the client."""
    noisy = [b": keep-alive\n\n", b"data: {oops\n\n", b"event: x\n\n", *stream("chat", "Meow.")]
    sent, _ = await relay(noisy, media_type="text/event-stream")
    assert text_of(events([sent.body])) == "Meow."
