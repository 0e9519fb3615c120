"""The official client talks to a real server without knowing that it is not OpenAI's."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from serving_stub.fetch_model import ModelFileMissing, model_path
from tests.support.serving_server import ServingServer, serving
from tests.support.waiting import until_sync

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """One server with the tiny model."""
    with serving(tmp_path_factory.mktemp("openai") / "leases.jsonl") as running:
        yield running


@pytest.fixture
def client(server: ServingServer) -> Iterator[openai.OpenAI]:
    """OpenAI's own client."""
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=30) as found:
        yield found


def test_a_chat_is_answered(client: openai.OpenAI) -> None:
    """A chat completion parses into the client's own types."""
    answer = client.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": "Hello"}],
        max_tokens=8,
        extra_body={"ignore_eos": True},
    )
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 8


def test_a_streamed_chat_adds_up(client: openai.OpenAI) -> None:
    """The pieces of a stream are the text of the whole answer, and usage comes last."""
    whole = client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": "Hello"}], max_tokens=30, temperature=0, seed=1
    )
    pieces = list(
        client.chat.completions.create(
            model="tiny",
            messages=[{"role": "user", "content": "Hello"}],
            max_tokens=30,
            temperature=0,
            seed=1,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == whole.choices[0].message.content
    assert pieces[-1].usage is not None
    assert whole.usage is not None
    assert pieces[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_a_text_completion_is_answered(client: openai.OpenAI) -> None:
    """Text completions work by text and by token ids."""
    by_text = client.completions.create(model="tiny", prompt="abc", max_tokens=4, temperature=0)
    assert by_text.usage is not None
    assert by_text.usage.prompt_tokens == 3
    assert client.completions.create(model="tiny", prompt=[100, 101], max_tokens=1).object == "text_completion"


async def test_the_asynchronous_client_works_too(server: ServingServer) -> None:
    """The asynchronous client streams as well."""
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        stream = await client.completions.create(
            model="tiny", prompt="abc", max_tokens=5, stream=True, extra_body={"ignore_eos": True}
        )
        reasons = [piece.choices[0].finish_reason async for piece in stream]
    assert reasons[-1] == "length"


def test_models_are_listed(client: openai.OpenAI) -> None:
    """The client's list holds the one model."""
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "serving_stub"


def test_a_bad_request_is_the_clients_bad_request(client: openai.OpenAI) -> None:
    """Refusals raise the client's typed error with the field at fault."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="tiny", prompt="abc", n=2)
    assert (refused.value.param, refused.value.code) == ("n", "unsupported_parameter")


def test_another_model_is_the_clients_not_found(client: openai.OpenAI) -> None:
    """A wrong model raises the client's typed error."""
    with pytest.raises(openai.NotFoundError) as refused:
        client.completions.create(model="gpt-none", prompt="abc")
    assert refused.value.code == "model_not_found"


def test_too_long_a_prompt_is_the_clients_bad_request(client: openai.OpenAI) -> None:
    """What can never fit is refused at once, with OpenAI's own code."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="tiny", prompt="a" * 3000, max_tokens=1)
    assert refused.value.code == "context_length_exceeded"


def test_a_stream_that_is_closed_frees_its_blocks(server: ServingServer, client: openai.OpenAI) -> None:
    """A client that leaves in mid-answer holds no KV block a moment later."""
    before = server.metric("vllm:request_success_total", finished_reason="abort")
    stream = client.completions.create(
        model="tiny", prompt="abc", max_tokens=2000, stream=True, extra_body={"ignore_eos": True}
    )
    next(iter(stream))
    assert server.metric("vllm:num_requests_running") == 1
    stream.close()
    until_sync(lambda: server.metric("vllm:num_requests_running") == 0, limit_s=2)
    assert server.metric("vllm:kv_cache_usage_perc") == 0
    assert server.metric("vllm:request_success_total", finished_reason="abort") == before + 1


def test_a_whole_answer_nobody_waits_for_is_ended(server: ServingServer, client: openai.OpenAI) -> None:
    """A client that gives up on an answer that is not streamed ends it too."""
    before = server.metric("vllm:request_success_total", finished_reason="abort")
    with pytest.raises(openai.APITimeoutError):
        client.completions.create(
            model="tiny", prompt="abc", max_tokens=2000, timeout=0.2, extra_body={"ignore_eos": True}
        )
    until_sync(lambda: server.metric("vllm:request_success_total", finished_reason="abort") == before + 1, limit_s=2)


def test_the_real_model_answers_in_english(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The model that is served by default knows the capital of France, streamed or not."""
    try:
        model_path()
    except ModelFileMissing as error:
        pytest.fail(str(error))
    with (
        serving(tmp_path_factory.mktemp("smollm2") / "leases.jsonl", "--model", "smollm2") as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60) as client,
    ):
        question = "What is the capital of France? Answer in one short sentence."
        answer = client.chat.completions.create(
            model="smollm2", messages=[{"role": "user", "content": question}], max_tokens=24, temperature=0
        )
        pieces = client.chat.completions.create(
            model="smollm2", messages=[{"role": "user", "content": question}], max_tokens=24, temperature=0, stream=True
        )
        assert "Paris" in "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
