"""Which conversation a request belongs to, and which end user it is for.

OpenAI's chat API has no conversation id: each turn sends all earlier ones again. So a conversation is what the client
calls it, where it says so; else it is how it began: the messages up to the first of the user's. Two conversations of
one account that begin with the very same words count as one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

CONVERSATION_HEADER = "x-conversation-id"
_LONGEST_ID = 512


def conversation_of(
    asked: Mapping[str, Any], header: str | None, owner: str, keyed_hash: Callable[[str], str]
) -> str | None:
    """A hash that all turns of one conversation share; None for what is no chat.

    Args:
        asked: the request's body.
        header: its CONVERSATION_HEADER.
        owner: whose conversation it is (account, key or tenant): equal ids of two owners are two conversations.
    """
    metadata = asked.get("metadata")
    stated = header or (metadata.get("conversation_id") if isinstance(metadata, Mapping) else None)
    if isinstance(stated, str) and 0 < len(stated) <= _LONGEST_ID:
        return keyed_hash(f"id\0{owner}\0{stated}")
    opening = _opening(asked.get("messages"))
    return None if opening is None else keyed_hash(f"opening\0{owner}\0{opening}")


def safety_identifier_of(asked: Mapping[str, Any]) -> str | None:
    """The end user's id as the client sent it, in OpenAI's field or in the older `user`; hash it before it is kept.

    Source: OpenAI's API reference, `safety_identifier`: "replaces the user field".
    """
    for name in ("safety_identifier", "user"):
        value = asked.get(name)
        if isinstance(value, str) and 0 < len(value) <= _LONGEST_ID:
            return value
    return None


def _opening(messages: Any) -> str | None:
    """All messages up to the first of the user's."""
    if not isinstance(messages, list):
        return None
    parts: list[str] = []
    for message in messages:
        if not isinstance(message, Mapping):
            return None
        role = message.get("role")
        parts.append(f"{role}\1{_text(message.get('content'))}")
        if role == "user":
            return "\2".join(parts)
    return None


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(
        part["text"] for part in content if isinstance(part, Mapping) and isinstance(part.get("text"), str)
    )
