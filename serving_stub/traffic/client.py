"""One user: a streamed chat completion whose first token and tokens are counted.

Answers have a fixed length (`ignore_eos`), so that a run offers the same load whatever the model says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx
from httpx_sse import EventSource, SSEError
from pydantic import BaseModel, ValidationError

from serving_stub.errors import TrafficError
from serving_stub.traffic.report import Tally
from serving_stub.traffic.scenarios import Ask

TIMEOUT = httpx.Timeout(connect=5.0, read=300.0, write=10.0, pool=None)
PROBE_TIMEOUT_S = 60.0
_PROBE_WORDS = (
    *("Please", "tell", "me", "how", "a", "small", "garden", "can", "feed", "a", "large"),
    *("and", "hungry", "family", "during", "one", "long", "winter"),
)


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Model]


class _Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class _Delta(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Chunk(BaseModel):
    choices: list[_Choice]
    usage: _Usage | None = None


class _Probe(BaseModel):
    usage: _Usage


@dataclass(frozen=True, slots=True)
class PromptSize:
    """How a server counts a chat prompt: tokens = overhead + words x tokens_per_word."""

    overhead: float
    tokens_per_word: float

    def num_words(self, num_tokens: int) -> int:
        """How many words make a prompt of about *num_tokens*, template and all."""
        return max(1, round((num_tokens - self.overhead) / self.tokens_per_word))


class TrafficClient:
    """Talks to one model of one server.

    Args:
        http: with the server's base URL.
        monotonic: seconds; only differences mean anything.
    """

    def __init__(self, http: httpx.AsyncClient, model: str | None, monotonic: Callable[[], float]) -> None:
        self._http = http
        self._model = model
        self._monotonic = monotonic

    async def prepare(self) -> PromptSize:
        """Check that the server answers, take its model where none was named, and learn how it counts prompts.

        Raises: TrafficError.
        """
        try:
            if self._model is None:
                answer = await self._http.get("/v1/models", timeout=PROBE_TIMEOUT_S)
                answer.raise_for_status()
                self._model = _Models.model_validate_json(answer.content).data[0].id
            small = await self._probe(_PROBE_WORDS[:2])
            large = await self._probe(_PROBE_WORDS)
        except httpx.HTTPStatusError as error:
            raise TrafficError(
                f"{error.request.url} answered {error.response.status_code}: {error.response.text[:300]}"
            ) from error
        except httpx.HTTPError as error:
            raise TrafficError(
                f"{self._http.base_url} cannot be reached ({type(error).__name__}); is the server started?"
            ) from error
        except (ValidationError, IndexError) as error:
            raise TrafficError(f"{self._http.base_url} does not answer as OpenAI's API does") from error
        tokens_per_word = (large - small) / (len(_PROBE_WORDS) - 2)
        return PromptSize(small - 2 * tokens_per_word, tokens_per_word)

    async def ask(self, ask: Ask, max_tokens: int, tally: Tally, started_at: float) -> None:
        """Stream one answer into *tally*; only cancellation is raised."""
        asked_at = self._monotonic()
        num_pieces = 0
        has_ended = False
        try:
            async with self._http.stream(
                "POST", "/v1/chat/completions", json=self._body(ask.prompt, max_tokens, ask.seed, is_streamed=True)
            ) as answer:
                if not answer.is_success:
                    tally.fail(f"status_{answer.status_code}")
                    return
                # Not httpx's lines: those end at U+0085 and U+2028 too, which a model may well say.
                async for event in EventSource(answer).aiter_sse():
                    if event.data == "[DONE]":
                        continue
                    chunk = _Chunk.model_validate_json(event.data)
                    for choice in chunk.choices:
                        if choice.delta.content and num_pieces == 0:
                            now = self._monotonic()
                            tally.first_token(now - started_at, now - asked_at)
                        if choice.delta.content:
                            num_pieces += 1
                            tally.tokens += 1
                        has_ended |= choice.finish_reason in ("stop", "length")
                    if chunk.usage is not None:
                        # A piece of text may be several tokens; the usage at the end is exact.
                        tally.tokens += chunk.usage.completion_tokens - num_pieces
        except httpx.TimeoutException:
            tally.fail("timeout")
        except SSEError:
            tally.fail("not_a_stream")
        except httpx.HTTPError:
            tally.fail("connection")
        except ValidationError:
            tally.fail("error_event")
        else:
            if has_ended:
                tally.done += 1
            else:
                tally.fail("cut_short")

    async def _probe(self, words: Sequence[str]) -> int:
        answer = await self._http.post(
            "/v1/chat/completions",
            json=self._body(" ".join(words), max_tokens=1, seed=0, is_streamed=False),
            timeout=PROBE_TIMEOUT_S,
        )
        answer.raise_for_status()
        return _Probe.model_validate_json(answer.content).usage.prompt_tokens

    def _body(self, prompt: str, max_tokens: int, seed: int, *, is_streamed: bool) -> dict[str, object]:
        body: dict[str, object] = {
            "model": self._model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
            "seed": seed,
            "ignore_eos": True,
            "stream": is_streamed,
        }
        return body | ({"stream_options": {"include_usage": True}} if is_streamed else {})


def error_line(error: TrafficError) -> str:
    """The line that says why a run could not start."""
    return json.dumps({"error": str(error)})
