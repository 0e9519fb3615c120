"""What OpenAI's routes accept, answer and refuse."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from serving_stub.api.services import Services
from tests.support.waiting import until

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 6, "ignore_eos": True}


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    """The objects of a stream that ended as OpenAI's do."""
    lines = [line for line in answer.text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


async def error_of(client: httpx.AsyncClient, path: str, body: dict[str, Any] | bytes) -> tuple[int, str, str | None]:
    """Status, code and param of a refused request."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await client.post(path, content=content)
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status_code, error["code"], error["param"]


async def test_a_stream_says_what_one_answer_says(client: httpx.AsyncClient) -> None:
    """Greedy text is the same whether it is streamed or not."""
    body = HELLO | {"temperature": 0, "max_tokens": 20}
    whole = (await client.post(CHAT, json=body)).json()
    pieces = events(await client.post(CHAT, json=body | {"stream": True}))
    text = "".join(piece["choices"][0]["delta"].get("content", "") for piece in pieces)
    assert text == whole["choices"][0]["message"]["content"]
    assert pieces[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [piece["choices"][0]["finish_reason"] for piece in pieces][-1] == "length"
    assert not any("usage" in piece for piece in pieces)
    assert len({piece["id"] for piece in pieces}) == 1


async def test_a_stream_ends_with_usage_when_asked(client: httpx.AsyncClient) -> None:
    """With include_usage every chunk has the field, and the last one carries it without choices."""
    body = HELLO | {"stream": True, "stream_options": {"include_usage": True}}
    *pieces, last = events(await client.post(CHAT, json=body))
    assert [piece["usage"] for piece in pieces] == [None] * len(pieces)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 6
    assert last["usage"]["total_tokens"] == last["usage"]["prompt_tokens"] + 6


async def test_text_is_streamed_too(client: httpx.AsyncClient) -> None:
    """Text completions have their own chunk shape."""
    pieces = events(await client.post(TEXT, json={"prompt": "Once", "max_tokens": 4, "stream": True}))
    assert {piece["object"] for piece in pieces} == {"text_completion"}
    assert all(isinstance(piece["choices"][0]["text"], str) for piece in pieces)


@pytest.mark.parametrize("prompt", ["abc", ["abc"], [100, 101, 102], [[100, 101, 102]]])
async def test_one_prompt_has_four_spellings(client: httpx.AsyncClient, prompt: object) -> None:
    """A prompt is text or token ids, alone or in a list of one."""
    answer = await client.post(TEXT, json={"prompt": prompt, "max_tokens": 1, "ignore_eos": True})
    assert answer.status_code == 200
    assert answer.json()["usage"]["prompt_tokens"] == 3


async def test_a_seed_repeats_a_sampled_answer(client: httpx.AsyncClient) -> None:
    """The same seed gives the same text; without one it differs in the end."""
    body = HELLO | {"temperature": 1.5, "max_tokens": 24}
    seeded = [(await client.post(CHAT, json=body | {"seed": 5})).json() for _ in range(2)]
    others = [(await client.post(CHAT, json=body | {"seed": seed})).json() for seed in range(6, 10)]
    texts = [answer["choices"][0]["message"]["content"] for answer in (*seeded, *others)]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


async def test_a_stop_string_ends_the_text(client: httpx.AsyncClient) -> None:
    """Generation ends before a stop string, which is not part of the answer."""
    body = {"prompt": "Once", "max_tokens": 40, "temperature": 0, "ignore_eos": True}
    text = (await client.post(TEXT, json=body)).json()["choices"][0]["text"]
    stop = text[5]
    answer = (await client.post(TEXT, json=body | {"stop": stop})).json()["choices"][0]
    assert (answer["text"], answer["finish_reason"]) == (text[: text.index(stop)], "stop")


async def test_content_may_come_in_parts(client: httpx.AsyncClient) -> None:
    """A message's text parts are understood, and a developer speaks as the system does."""
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    messages = [{"role": "developer", "content": "Be brief"}, {"role": "user", "content": parts}]
    answer = await client.post(CHAT, json={"messages": messages, "max_tokens": 1})
    assert answer.status_code == 200


async def test_without_max_tokens_a_chat_may_fill_the_window(client: httpx.AsyncClient) -> None:
    """The default of a chat is all the room that is left."""
    answer = (await client.post(CHAT, json={key: HELLO[key] for key in ("messages", "ignore_eos")})).json()
    assert answer["usage"]["total_tokens"] == 256


async def test_unknown_fields_are_ignored(client: httpx.AsyncClient) -> None:
    """What nobody knows harms nobody, and neutral values of unsupported fields neither."""
    neutral = {"n": 1, "logprobs": None, "presence_penalty": 0.0, "response_format": {"type": "text"}, "user": "x"}
    assert (await client.post(CHAT, json=HELLO | neutral)).status_code == 200


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"n": 2}, "unsupported_parameter", "n"),
        ({"logprobs": True}, "unsupported_parameter", "logprobs"),
        ({"logprobs": 0}, "unsupported_parameter", "logprobs"),
        ({"tools": [{"type": "function"}]}, "unsupported_parameter", "tools"),
        ({"frequency_penalty": 0.5}, "unsupported_parameter", "frequency_penalty"),
        ({"response_format": {"type": "json_object"}}, "unsupported_parameter", "response_format"),
        ({"max_tokens": "6"}, "invalid_request", "max_tokens"),
        ({"max_tokens": 0}, "invalid_request", "max_tokens"),
        ({"max_tokens": True}, "invalid_request", "max_tokens"),
        ({"temperature": 3}, "invalid_request", "temperature"),
        ({"temperature": "hot"}, "invalid_request", "temperature"),
        ({"top_p": 0}, "invalid_request", "top_p"),
        ({"seed": 1.5}, "invalid_request", "seed"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "invalid_request", "stop"),
        ({"stop": ""}, "invalid_request", "stop"),
        ({"stream": "yes"}, "invalid_request", "stream"),
        ({"messages": []}, "invalid_request", "messages"),
        ({"messages": [{"role": "pirate", "content": "x"}]}, "invalid_request", "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "invalid_request", "messages"),
        ({"max_tokens": 4096}, "context_length_exceeded", None),
    ],
)
async def test_what_cannot_be_done_is_refused(
    client: httpx.AsyncClient, change: dict[str, Any], code: str, param: str | None
) -> None:
    """A refusal is a 400 that names the field."""
    assert await error_of(client, CHAT, HELLO | change) == (400, code, param)


@pytest.mark.parametrize(
    ("prompt", "code", "param"),
    [
        (None, "invalid_request", "prompt"),
        ({}, "invalid_request", "prompt"),
        (7, "invalid_request", "prompt"),
        ([1.5], "invalid_request", "prompt"),
        (["a", "b"], "unsupported_parameter", "prompt"),
        ("", "empty_prompt", None),
        ([], "empty_prompt", None),
        ([99999], "invalid_token", None),
        ([-1], "invalid_token", None),
    ],
    ids=str,
)
async def test_a_prompt_that_is_none_is_refused(
    client: httpx.AsyncClient, prompt: object, code: str, param: str | None
) -> None:
    """A prompt must be one text or one list of known token ids."""
    assert await error_of(client, TEXT, {"prompt": prompt}) == (400, code, param)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"prompt": "a", "temperature": NaN}',
        b'{"prompt": "\\ud800"}',
        b"\xff\xfe",
        b'{"prompt": ' + b"[" * 2000,
    ],
    ids=["empty", "cut", "list", "null", "nan", "surrogate", "no-utf8", "deep"],
)
async def test_a_body_that_is_no_request_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    """Whatever is sent, the answer is a 400 in OpenAI's shape."""
    status, code, _ = await error_of(client, TEXT, body)
    assert (status, code) == (400, "invalid_request")


async def test_a_body_over_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    """No more is read than the limit, whether the length was stated or not."""

    async def pieces() -> Any:
        for _ in range(100):
            yield b" " * 1000

    assert await error_of(client, TEXT, {"prompt": "a" * 5000}) == (413, "body_too_large", None)
    answer = await client.post(TEXT, content=pieces())
    assert answer.status_code == 413


async def test_another_model_is_not_found(client: httpx.AsyncClient) -> None:
    """Asking for a model that is not served is a 404 that names the one that is."""
    assert await error_of(client, CHAT, HELLO | {"model": "gpt-none"}) == (404, "model_not_found", "model")
    assert (await client.get("/v1/models/gpt-none")).status_code == 404
    assert (await client.get("/v1/models/tiny")).json()["id"] == "tiny"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v2", 404), ("PUT", CHAT, 405)])
async def test_other_paths_answer_in_the_same_shape(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    """Even what routing refuses has OpenAI's shape."""
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


async def test_a_refused_prompt_is_not_repeated_in_the_answer(client: httpx.AsyncClient) -> None:
    """An error never carries what somebody wrote."""
    for body in ({"prompt": "secret words", "n": 2}, {"prompt": {"secret words": 1}}, {"prompt": ["secret words"] * 2}):
        assert "secret" not in (await client.post(TEXT, json=body)).text


async def test_one_bad_request_harms_no_other(client: httpx.AsyncClient) -> None:
    """Good requests between bad ones all get their whole answer."""
    good = {"prompt": "Once upon a time", "max_tokens": 20, "temperature": 0, "ignore_eos": True}
    bad: list[dict[str, Any]] = [{"prompt": [99999]}, {"prompt": ""}, {"prompt": "a", "n": 3}]
    answers = await asyncio.gather(*(client.post(TEXT, json=body) for body in [good, *bad] * 5))
    texts = {answer.json()["choices"][0]["text"] for answer in answers[::4]}
    assert len(texts) == 1
    assert [answer.status_code for answer in answers] == [200, 400, 400, 400] * 5


async def test_a_stopping_server_takes_nothing_new(client: httpx.AsyncClient, services: Services) -> None:
    """A server that is stopping sends clients elsewhere and is not healthy."""
    services.in_flight.close()
    assert await error_of(client, CHAT, HELLO) == (503, "server_stopping", None)
    assert (await client.get("/health")).status_code == 503


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_stop_ends_what_is_in_flight(client: httpx.AsyncClient, services: Services, is_streamed: bool) -> None:
    """What was generated before the stop is kept, and the end is marked as an abort."""
    request = asyncio.create_task(
        client.post(TEXT, json={"prompt": "a", "max_tokens": 2000, "ignore_eos": True, "stream": is_streamed})
    )
    await until(lambda: services.loop.stats().num_running > 0)
    await asyncio.sleep(0.02)
    services.in_flight.stop()
    answer = await request
    assert answer.status_code == 200
    last = events(answer)[-1] if is_streamed else answer.json()
    assert last["choices"][0]["finish_reason"] == "abort"
    assert await services.in_flight.wait_empty(5)


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_deadline_that_cannot_be_met_is_an_error(
    client: httpx.AsyncClient, services: Services, *, is_streamed: bool
) -> None:
    """Nothing was sent yet, so it is a proper 503 that says when to come back, streamed or not."""
    services.loop.set_step_delay(0.05)
    answer = await client.post(CHAT, json=HELLO | {"deadline_s": 0.001, "stream": is_streamed})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "deadline_exceeded")
    services.loop.set_step_delay(0)
    assert answer.headers["retry-after"] == "1"
    assert (await client.post(CHAT, json=HELLO | {"deadline_s": 60, "priority": -1})).status_code == 200


@pytest.mark.parametrize("field", [{"deadline_s": 0}, {"deadline_s": "soon"}, {"priority": 1.5}, {"priority": 1000}])
async def test_absurd_deadlines_and_classes_are_refused(client: httpx.AsyncClient, field: dict[str, Any]) -> None:
    """With the field's name."""
    (name,) = field
    assert await error_of(client, CHAT, HELLO | field) == (400, "invalid_request", name)
