"""The two shapes of an answer, text and chat: how the same tokens look as a whole and in pieces.

Source: OpenAI's API reference, "Completions" and "Chat completions" with their chunk objects.
"""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel

from serving_stub.api.schema import (
    AssistantMessage,
    ChatChoice,
    ChatCompletion,
    ChatCompletionChunk,
    ChunkChoice,
    Completion,
    Delta,
    TextChoice,
    Usage,
)


class Shape(Protocol):
    """How an answer is written."""

    def opening(self) -> BaseModel | None:
        """The chunk before any text, if the shape has one."""
        ...

    def piece(self, text: str, finish_reason: str | None) -> BaseModel:
        """A chunk that adds *text*; the last one has a finish reason."""
        ...

    def usage_piece(self, usage: Usage) -> BaseModel:
        """The chunk without choices that closes a stream which asked for usage."""
        ...

    def whole(self, text: str, finish_reason: str, usage: Usage) -> BaseModel:
        """The answer in one."""
        ...


class TextShape:
    """POST /v1/completions."""

    def __init__(self, request_id: str, model: str, created: int) -> None:
        self._id = request_id
        self._model = model
        self._created = created

    def opening(self) -> BaseModel | None:
        return None

    def piece(self, text: str, finish_reason: str | None) -> BaseModel:
        return self._completion([TextChoice(text=text, finish_reason=finish_reason)], None)

    def usage_piece(self, usage: Usage) -> BaseModel:
        return self._completion([], usage)

    def whole(self, text: str, finish_reason: str, usage: Usage) -> BaseModel:
        return self._completion([TextChoice(text=text, finish_reason=finish_reason)], usage)

    def _completion(self, choices: list[TextChoice], usage: Usage | None) -> Completion:
        return Completion(
            id=self._id,
            object="text_completion",
            created=self._created,
            model=self._model,
            choices=choices,
            usage=usage,
        )


class ChatShape:
    """POST /v1/chat/completions."""

    def __init__(self, request_id: str, model: str, created: int) -> None:
        self._id = request_id
        self._model = model
        self._created = created

    def opening(self) -> BaseModel | None:
        return self._chunk([ChunkChoice(delta=Delta(role="assistant", content=""), finish_reason=None)], None)

    def piece(self, text: str, finish_reason: str | None) -> BaseModel:
        return self._chunk([ChunkChoice(delta=Delta(content=text), finish_reason=finish_reason)], None)

    def usage_piece(self, usage: Usage) -> BaseModel:
        return self._chunk([], usage)

    def whole(self, text: str, finish_reason: str, usage: Usage) -> BaseModel:
        return ChatCompletion(
            id=self._id,
            object="chat.completion",
            created=self._created,
            model=self._model,
            choices=[ChatChoice(message=AssistantMessage(content=text), finish_reason=finish_reason)],
            usage=usage,
        )

    def _chunk(self, choices: list[ChunkChoice], usage: Usage | None) -> ChatCompletionChunk:
        return ChatCompletionChunk(
            id=self._id,
            object="chat.completion.chunk",
            created=self._created,
            model=self._model,
            choices=choices,
            usage=usage,
        )
