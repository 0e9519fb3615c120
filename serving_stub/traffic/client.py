"""One user: a streamed chat completion whose first token and tokens are counted, asked again as its client would.

Answers have a fixed length (`ignore_eos`), so that a run offers the same load whatever the model says.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import httpx
from httpx_sse import EventSource, SSEError
from pydantic import SecretStr, ValidationError

from serving_stub.errors import TrafficError
from serving_stub.traffic.ask import Ask
from serving_stub.traffic.conversation import Message, Talks
from serving_stub.traffic.persona import Persona
from serving_stub.traffic.retry import HAND_OFF_S, NEVER, RETRIED, Retry
from serving_stub.traffic.tally import Tally, Timing
from serving_stub.traffic.wire import Chunk, Models, Probe, ProxyHeaders, encode, refusal_code, request_headers

TIMEOUT = httpx.Timeout(connect=5.0, read=300.0, write=10.0, pool=None)
PROBE_TIMEOUT_S = 60.0
LONGEST_RETRY_AFTER_S = 3600.0
USUAL_TOKENS_PER_WORD = 1.3
_PATH = "/v1/chat/completions"
_PROBE_WORDS = (
    *("Please", "tell", "me", "how", "a", "small", "garden", "can", "feed", "a", "large"),
    *("and", "hungry", "family", "during", "one", "long", "winter"),
)


@dataclass(frozen=True, slots=True)
class PromptSize:
    """How a server counts a chat prompt: tokens = overhead + words x tokens_per_word.

    Args:
        longest: most tokens of prompt and answer together, where the server says so.
    """

    overhead: float
    tokens_per_word: float
    longest: int | None = None

    def num_words(self, num_tokens: int) -> int:
        """How many words make a prompt of about *num_tokens*, template and all."""
        return max(1, round((num_tokens - self.overhead) / self.tokens_per_word))


@dataclass(slots=True)
class _Attempt:
    """How one request ended: `failure` is None for a whole answer."""

    failure: str | None = None
    status: int = 0
    retry_after_s: float | None = None
    timing: Timing = field(default_factory=Timing)
    text: list[str] = field(default_factory=list)

    @property
    def may_be_retried(self) -> bool:
        """Nobody asks again for what is wrong with the request itself, nor after half an answer."""
        return self.timing.ttft_s is None and (self.status in RETRIED or self.status < 400)


class TrafficClient:
    """Talks to one model of one server.

    Args:
        http: with the server's base URL.
        monotonic: seconds; only differences mean anything.
        retry: what users do who are refused or kept waiting.
        sleep: between their attempts.
        is_natural: bodies have only the fields that each client sends, so answers end where the model ends them.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        model: str | None,
        monotonic: Callable[[], float],
        *,
        retry: Retry = NEVER,
        proxy: ProxyHeaders | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        is_natural: bool = False,
    ) -> None:
        self._http = http
        self._model = model
        self._monotonic = monotonic
        self._retry = retry
        self._proxy = proxy or ProxyHeaders()
        self._sleep = sleep
        self._is_natural = is_natural
        self._talks = Talks()
        self._longest: int | None = None

    async def prepare(self, key: SecretStr | None = None) -> PromptSize:
        """Check that the server answers, take its model where none was named, and learn how it counts prompts.

        Args:
            key: to ask with, where the server wants one.
        Raises: TrafficError.
        """
        headers = {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
        try:
            if self._model is None:
                answer = await self._http.get("/v1/models", timeout=PROBE_TIMEOUT_S, headers=headers)
                answer.raise_for_status()
                model = Models.model_validate_json(answer.content).data[0]
                self._model, self._longest = model.id, model.max_model_len
            small = await self._probe(_PROBE_WORDS[:2], headers)
            large = await self._probe(_PROBE_WORDS, headers)
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
        if tokens_per_word <= 0:
            # A stand-in that counts every prompt the same; as English usually goes.
            return PromptSize(0.0, USUAL_TOKENS_PER_WORD, self._longest)
        return PromptSize(small - 2 * tokens_per_word, tokens_per_word, self._longest)

    async def ask(self, ask: Ask, max_tokens: int, tally: Tally, started_at: float) -> None:
        """Take one user's turn and count it in *tally*; only cancellation is raised."""
        asked_at = self._monotonic()
        talk = None if ask.conversation is None else self._talks.get(ask.conversation)
        # A person does not ask the next thing before the answer is there.
        async with talk.lock if talk is not None else nullcontext():
            history = [] if talk is None else talk.messages
            attempt = await self._insist(ask, history, max_tokens, tally, started_at, asked_at)
            if attempt.failure is None and talk is not None:
                said = {"role": "assistant", "content": "".join(attempt.text)}
                talk.messages += [{"role": "user", "content": ask.prompt}, said]
        if attempt.failure is None:
            tally.finish(ask, attempt.timing, self._monotonic() - asked_at)
        else:
            tally.fail(ask, attempt.failure)

    async def _insist(
        self, ask: Ask, history: Sequence[Message], max_tokens: int, tally: Tally, started_at: float, asked_at: float
    ) -> _Attempt:
        source = random.Random(ask.seed)
        content = encode(self._body(ask, history, ask.max_tokens or max_tokens))
        relays = iter(ask.relays)
        who = ask.persona
        attempts = 0
        while True:
            tally.attempt(ask)
            attempts += 1
            attempt = await self._attempt(ask, who, content, tally, started_at, asked_at)
            if attempt.failure is None or not attempt.may_be_retried:
                return attempt
            if attempt.status == 429 and (following := next(relays, None)) is not None:
                who = following
                await self._sleep(source.uniform(*HAND_OFF_S))
                continue
            delay_s = self._retry.delay_s(attempts, attempt.retry_after_s, source)
            if delay_s is None:
                return attempt
            await self._sleep(delay_s)

    async def _attempt(
        self, ask: Ask, who: Persona | None, content: bytes, tally: Tally, started_at: float, asked_at: float
    ) -> _Attempt:
        attempt = _Attempt()
        try:
            async with asyncio.timeout(self._retry.patience_s) as patience:
                await self._stream(ask, self._request(who, content), attempt, patience, tally, started_at, asked_at)
        except TimeoutError:
            attempt.failure = "impatient"
        except httpx.TimeoutException:
            attempt.failure = "timeout"
        except SSEError:
            attempt.failure = "not_a_stream"
        except httpx.HTTPError:
            attempt.failure = "connection"
        except ValidationError:
            attempt.failure = "error_event"
        return attempt

    async def _stream(
        self,
        ask: Ask,
        request: httpx.Request,
        attempt: _Attempt,
        patience: asyncio.Timeout,
        tally: Tally,
        started_at: float,
        asked_at: float,
    ) -> None:
        answer = await self._http.send(request, stream=True)
        try:
            attempt.status = answer.status_code
            if not answer.is_success:
                attempt.failure = f"status_{answer.status_code}"
                attempt.retry_after_s = _retry_after_s(answer.headers.get("retry-after"))
                tally.refuse(ask, refusal_code(await answer.aread()) or attempt.failure)
                return
            has_ended = await self._read(ask, answer, attempt, patience, tally, started_at, asked_at)
            if not has_ended:
                attempt.failure = "cut_short"
        finally:
            await answer.aclose()

    async def _read(
        self,
        ask: Ask,
        answer: httpx.Response,
        attempt: _Attempt,
        patience: asyncio.Timeout,
        tally: Tally,
        started_at: float,
        asked_at: float,
    ) -> bool:
        timing = attempt.timing
        came_at = 0.0
        has_ended = False
        # Not httpx's lines: those end at U+0085 and U+2028 too, which a model may well say.
        async for event in EventSource(answer).aiter_sse():
            if event.data == "[DONE]":
                continue
            chunk = Chunk.model_validate_json(event.data)
            for choice in chunk.choices:
                has_ended |= choice.finish_reason in ("stop", "length")
                if not choice.delta.content:
                    continue
                now = self._monotonic()
                gap_s = None
                if timing.ttft_s is None:
                    patience.reschedule(None)
                    timing.ttft_s = now - asked_at
                    tally.first_token(ask, now - started_at, timing.ttft_s)
                else:
                    gap_s = now - came_at
                    timing.gaps_s.append(gap_s)
                came_at = now
                timing.tokens += 1
                tally.pieces(ask, 1, gap_s)
                if ask.conversation is not None:
                    attempt.text.append(choice.delta.content)
            if chunk.usage is not None:
                # A piece of text may be several tokens; the usage at the end is exact.
                tally.pieces(ask, chunk.usage.completion_tokens - timing.tokens)
                timing.tokens = chunk.usage.completion_tokens
        return has_ended

    def _request(self, who: Persona | None, content: bytes) -> httpx.Request:
        request = self._http.build_request("POST", _PATH, content=content, headers={"Content-Type": "application/json"})
        if who is not None:
            # As a whole, since the order of headers is part of what a client looks like.
            request.headers = httpx.Headers(request_headers(who, request.headers["host"], content, self._proxy))
        return request

    async def _probe(self, words: Sequence[str], headers: dict[str, str]) -> int:
        body = self._body(Ask(0.0, " ".join(words), 0), [], 1) | {"stream": False}
        del body["stream_options"]
        answer = await self._http.post(_PATH, json=body, headers=headers, timeout=PROBE_TIMEOUT_S)
        answer.raise_for_status()
        return Probe.model_validate_json(answer.content).usage.prompt_tokens

    def _body(self, ask: Ask, history: Sequence[Message], max_tokens: int) -> dict[str, object]:
        system = [] if ask.system is None else [{"role": "system", "content": ask.system}]
        end_user = {} if ask.safety_identifier is None else {"safety_identifier": ask.safety_identifier}
        body: dict[str, object] = {
            "model": self._model,
            "messages": [*system, *history, {"role": "user", "content": ask.prompt}],
            "max_tokens": max_tokens,
            "seed": ask.seed,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
            **end_user,
        }
        if not self._is_natural:
            return body
        fields = None if ask.persona is None else ask.persona.client.fields
        kept = frozenset(body) - {"ignore_eos", "seed"} if fields is None else fields
        return {name: value for name, value in body.items() if name in kept}


def _retry_after_s(value: str | None) -> float | None:
    """Seconds; a date, or rubbish, counts as nothing said."""
    try:
        seconds = float(value or "nan")
    except ValueError:
        return None
    return max(0.0, min(LONGEST_RETRY_AFTER_S, seconds)) if math.isfinite(seconds) else None


def error_line(error: TrafficError) -> str:
    """The line that says why a run could not start."""
    return json.dumps({"error": str(error)})
