"""OpenAI's completion routes: check what is asked, turn it into tokens, hand it to the engine."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from serving_stub.api.body import read
from serving_stub.api.errors import ApiError, json_response
from serving_stub.api.schema import ChatCompletionRequest, CompletionRequest, ModelCard, ModelList
from serving_stub.api.services import Services
from serving_stub.api.shape import ChatShape, Shape, TextShape
from serving_stub.api.stopping import ENGINE_DEAD
from serving_stub.api.stream import GenerationResponse
from serving_stub.engine.interface import GenerationRequest, SamplingParams
from serving_stub.model.tokenizer import Message

_INLINE_CHARACTERS = 4096
"""Longer texts are tokenized on a thread, so that one of them does not hold up everybody's tokens."""

_DEFAULT_TEXT_TOKENS = 16  # OpenAI's default for text completions
_DEFAULT_TEMPERATURE = 1.0  # OpenAI's default


class Completions:
    """The routes under /v1."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._created = self._now()

    def routes(self) -> list[BaseRoute]:
        """What to mount at the root."""
        return [
            Route("/v1/chat/completions", self.create_chat_completion, methods=["POST"]),
            Route("/v1/completions", self.create_completion, methods=["POST"]),
            Route("/v1/models", self.list_models, methods=["GET"]),
            Route("/v1/models/{model:path}", self.get_model, methods=["GET"]),
        ]

    async def create_chat_completion(self, request: Request) -> Response:
        """POST /v1/chat/completions."""
        asked = await read(request, ChatCompletionRequest, self._max_body, status=400, code="invalid_request")
        self._check_model(asked.model)
        roles = {"developer": "system"}
        messages = [Message(roles.get(one.role, one.role), one.text) for one in asked.messages]
        token_ids = await self._tokens(
            lambda: self._services.tokenizer.apply_chat_template(messages), sum(len(one.content) for one in messages)
        )
        await self._meet_faults()
        max_tokens = asked.max_completion_tokens or asked.max_tokens or self._room(len(token_ids))
        return self._generate(request, asked, "chatcmpl", token_ids, max_tokens)

    async def create_completion(self, request: Request) -> Response:
        """POST /v1/completions."""
        asked = await read(request, CompletionRequest, self._max_body, status=400, code="invalid_request")
        self._check_model(asked.model)
        prompt = _single(asked.prompt)
        if isinstance(prompt, str):
            text = prompt
            token_ids: Sequence[int] = await self._tokens(lambda: self._services.tokenizer.encode(text), len(text))
        else:
            token_ids = prompt
        await self._meet_faults()
        return self._generate(request, asked, "cmpl", token_ids, asked.max_tokens or _DEFAULT_TEXT_TOKENS)

    async def list_models(self, request: Request) -> Response:
        """GET /v1/models."""
        return json_response(ModelList(data=[self._card()]))

    async def get_model(self, request: Request) -> Response:
        """GET /v1/models/{model}."""
        self._check_model(request.path_params["model"])
        return json_response(self._card())

    @property
    def _max_body(self) -> int:
        return self._services.door.max_body_bytes

    def _generate(
        self,
        request: Request,
        asked: ChatCompletionRequest | CompletionRequest,
        prefix: str,
        token_ids: Sequence[int],
        max_tokens: int,
    ) -> Response:
        if not self._services.loop.stats().is_alive:
            raise ENGINE_DEAD
        request_id = f"{prefix}-{secrets.token_hex(12)}"
        created = self._now()
        model = self._services.model_name
        shape: Shape = (
            ChatShape(request_id, model, created)
            if isinstance(asked, ChatCompletionRequest)
            else TextShape(request_id, model, created)
        )
        generation = GenerationRequest(
            request_id,
            tuple(token_ids),
            SamplingParams(
                max_tokens=max_tokens,
                temperature=_DEFAULT_TEMPERATURE if asked.temperature is None else asked.temperature,
                top_p=1.0 if asked.top_p is None else asked.top_p,
                top_k=max(0, asked.top_k or 0),
                seed=asked.seed,
                stop=tuple(asked.stop or ()),
                ignore_eos=asked.ignore_eos,
            ),
            # The door's word, where it gives one: nobody promotes himself.
            priority=getattr(request.state, "priority", asked.priority),
            deadline_s=asked.deadline_s,
        )
        return GenerationResponse(
            self._services.loop,
            self._services.in_flight,
            generation,
            shape,
            is_streamed=asked.stream,
            wants_usage=asked.wants_usage,
        )

    def _now(self) -> int:
        """Seconds since the epoch as this server shows them."""
        return int(self._services.clock.now() + self._services.faults.clock_skew_s)

    async def _meet_faults(self) -> None:
        if await self._services.faults.meet():
            self._services.metrics.count_failure()
            raise ApiError(
                500, "injected_fault", "a fault was asked for: a share of requests fails until its lease ends"
            )

    async def _tokens(self, tokenize: Callable[[], list[int]], num_characters: int) -> list[int]:
        return tokenize() if num_characters <= _INLINE_CHARACTERS else await asyncio.to_thread(tokenize)

    def _room(self, num_prompt_tokens: int) -> int:
        """All that is left of the context; at least one, so that a prompt that is too long is refused as such."""
        return max(1, self._services.max_context - num_prompt_tokens)

    def _check_model(self, model: str | None) -> None:
        served = self._services.model_name
        if model is not None and model != served:
            raise ApiError(
                404, "model_not_found", f"no model of that name is served here; ask for '{served}'", param="model"
            )

    def _card(self) -> ModelCard:
        return ModelCard(
            id=self._services.model_name,
            created=self._created,
            owned_by="serving_stub",
            max_model_len=self._services.max_context,
        )


def _single(prompt: str | Sequence[int] | Sequence[str] | Sequence[Sequence[int]]) -> str | Sequence[int]:
    """The one prompt: OpenAI's API also takes a list of several, which are separate requests here."""
    if isinstance(prompt, str):
        return prompt
    token_ids = [part for part in prompt if isinstance(part, int)]
    if len(token_ids) == len(prompt):
        return token_ids
    if len(prompt) != 1:
        raise ApiError(400, "unsupported_parameter", "prompt: one prompt a request is supported", param="prompt")
    only = prompt[0]
    return only if not isinstance(only, int) else [only]
