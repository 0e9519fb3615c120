"""Wire types of OpenAI's API: what may be asked, and the exact shape of answers.

Unknown fields are ignored. A field that is known, changes the outcome and is not supported is refused when it is set
to anything but its neutral value: a client must not believe that it was obeyed.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_serializer, model_validator

from serving_stub.api.errors import ApiError

StopString = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


def _one_in_a_list(value: Any) -> Any:
    """OpenAI takes a string or up to four of them."""
    return [value] if isinstance(value, str) else value


Stop = Annotated[
    list[StopString],
    Field(max_length=4),
    BeforeValidator(
        _one_in_a_list, json_schema_input_type=StopString | Annotated[list[StopString], Field(max_length=4)]
    ),
]

# Fields whose effect is not implemented, each with the value that asks for nothing.
_NEUTRAL: dict[str, Any] = {
    "n": 1,
    "best_of": 1,
    "logprobs": False,
    "top_logprobs": 0,
    "echo": False,
    "suffix": "",
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logit_bias": {},
    "tools": [],
    "functions": [],
    "response_format": {"type": "text"},
}


def _asks_for_nothing(value: Any, neutral: Any) -> bool:
    # In Python 0 == False and 1 == True, but logprobs 0 asks for something and n true is no number.
    return value is None or (value == neutral and isinstance(value, bool) == isinstance(neutral, bool))


class _Request(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class StreamOptions(_Request):
    """What a stream carries beside text."""

    include_usage: bool = False


class _Generation(_Request):
    """What both kinds of completion take."""

    model: str | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Stop | None = None
    ignore_eos: bool = False
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    deadline_s: Annotated[float, Field(ge=0.001, le=3600, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _refuse_what_is_not_supported(self) -> Self:
        for name, value in (self.model_extra or {}).items():
            if name in _NEUTRAL and not _asks_for_nothing(value, _NEUTRAL[name]):
                raise ApiError(
                    400,
                    "unsupported_parameter",
                    f"{name} is not supported; leave it out or set it to {json.dumps(_NEUTRAL[name])}",
                    param=name,
                )
        return self

    @property
    def wants_usage(self) -> bool:
        """Whether the stream ends with a usage chunk."""
        return self.stream_options is not None and self.stream_options.include_usage


class CompletionRequest(_Generation):
    """Body of POST /v1/completions; one prompt, as text or token ids, alone or in a list of one."""

    prompt: str | list[int] | list[str] | list[list[int]]


class TextPart(_Request):
    """One part of a message; only text is understood."""

    type: Literal["text"]
    text: str


class ChatMessage(_Request):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    @property
    def text(self) -> str:
        """The message's text, its parts joined."""
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)


class ChatCompletionRequest(_Generation):
    """Body of POST /v1/chat/completions."""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        """System messages come first and a user's last: chat models are trained on nothing else."""
        roles = ["system" if one.role == "developer" else one.role for one in self.messages]
        late = next((i for i, role in enumerate(roles) if role == "system" and set(roles[:i]) - {"system"}), None)
        if late is not None:
            raise _wrong_order(
                f"messages.{late}: a system message comes before all others, not after '{roles[late - 1]}'"
            )
        if roles[-1] != "user":
            raise _wrong_order(f"messages.{len(roles) - 1}: the last message is the user's, not '{roles[-1]}'")
        return self


def _wrong_order(message: str) -> ApiError:
    return ApiError(400, "invalid_request", message, param="messages")


class PromptTokensDetails(BaseModel):
    """How much of the prompt came from the prefix cache."""

    cached_tokens: int


class Usage(BaseModel):
    """Tokens of one request."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class _Answer(BaseModel):
    id: str
    object: str
    created: int
    model: str


class TextChoice(BaseModel):
    """Generated text."""

    index: int = 0
    text: str
    logprobs: None = None
    finish_reason: str | None


class Completion(_Answer):
    """A whole text completion, or one chunk of it."""

    choices: list[TextChoice]
    usage: Usage | None = None


class AssistantMessage(BaseModel):
    """The model's answer."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChatChoice(BaseModel):
    """The answer and why it ended."""

    index: int = 0
    message: AssistantMessage
    logprobs: None = None
    finish_reason: str


class ChatCompletion(_Answer):
    """A whole chat completion."""

    choices: list[ChatChoice]
    usage: Usage


class Delta(BaseModel):
    """What a chunk adds to the message; what it does not add is absent."""

    role: Literal["assistant"] | None = None
    content: str | None = None

    @model_serializer
    def _only_what_is_added(self) -> dict[str, str]:
        added = {"role": self.role, "content": self.content}
        return {name: value for name, value in added.items() if value is not None}


class ChunkChoice(BaseModel):
    """One piece of the answer."""

    index: int = 0
    delta: Delta
    logprobs: None = None
    finish_reason: str | None


class ChatCompletionChunk(_Answer):
    """One piece of a chat completion."""

    choices: list[ChunkChoice]
    usage: Usage | None = None


class ModelCard(BaseModel):
    """The served model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    max_model_len: int


class ModelList(BaseModel):
    """The one model that is served."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class Version(BaseModel):
    """Which release this is."""

    version: str
