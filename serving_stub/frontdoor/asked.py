"""What a body asks, in words: the text of the last question and of the system's instructions.

Bodies come from anybody, so whatever is not as OpenAI's API has it reads as no text at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

Endpoint = Literal["chat", "text"]

ENDPOINTS: Mapping[str, Endpoint] = {"/v1/chat/completions": "chat", "/v1/completions": "text"}
"""Paths whose bodies are understood."""


def prompt_text_of(body: Mapping[str, Any], endpoint: Endpoint) -> str:
    """What the user said last; empty where that is no text."""
    if endpoint == "text":
        return last_text(body.get("prompt"))
    said = [one.get("content") for one in _messages(body) if one.get("role") == "user"]
    return last_text(said[-1]) if said else ""


def system_text_of(body: Mapping[str, Any]) -> str:
    """All instructions of the system, joined."""
    return "\n".join(
        last_text(one.get("content")) for one in _messages(body) if one.get("role") in ("system", "developer")
    )


def max_tokens_of(body: Mapping[str, Any]) -> int | None:
    """The most tokens that an answer may have, where the body says so."""
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def last_text(content: Any) -> str:
    """The text in a message's content or a prompt, whichever of their many shapes it has; of several the last."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    if any(isinstance(part, list) for part in content):
        return last_text(content[-1])
    parts = (part.get("text") if isinstance(part, Mapping) else part for part in content)
    return " ".join(part for part in parts if isinstance(part, str))


def _messages(body: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    messages = body.get("messages")
    return [one for one in messages if isinstance(one, Mapping)] if isinstance(messages, list) else ()
