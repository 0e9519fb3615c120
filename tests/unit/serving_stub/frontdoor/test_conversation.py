"""Which requests belong to one conversation."""

from __future__ import annotations

from typing import Any

import pytest

from serving_stub.frontdoor.conversation import conversation_of, safety_identifier_of

SYSTEM = {"role": "system", "content": "Be brief."}
FIRST = {"role": "user", "content": "What is a KV cache?"}
ANSWER = {"role": "assistant", "content": "Memory."}
SECOND = {"role": "user", "content": [{"type": "text", "text": "And a KV block?"}]}


def of(messages: Any, header: str | None = None, owner: str = "a-1", **more: Any) -> str | None:
    """The conversation, hashed by a function that shows what it is given."""
    return conversation_of({"messages": messages, **more}, header, owner, lambda text: text)


def test_all_turns_share_it() -> None:
    """Later turns begin with the earlier ones."""
    assert of([SYSTEM, FIRST]) == of([SYSTEM, FIRST, ANSWER, SECOND])


def test_other_openings_and_other_owners_are_others() -> None:
    """By system prompt, by first message, by owner."""
    assert len({of([SYSTEM, FIRST]), of([FIRST]), of([SYSTEM, SECOND]), of([SYSTEM, FIRST], owner="a-2")}) == 4


def test_what_the_client_calls_it_counts_first() -> None:
    """A header or a field of the metadata, whatever the messages say."""
    by_header = of([FIRST], header="c-1")
    assert by_header == of([SECOND], header="c-1") == of([SECOND], metadata={"conversation_id": "c-1"})
    assert by_header != of([FIRST])


@pytest.mark.parametrize("messages", [None, [], "x", [1], [ANSWER], [{"role": "system"}]])
def test_what_is_no_chat_has_none(messages: Any) -> None:
    """Bad input included: the door must not fall over what the engine will refuse."""
    assert of(messages) is None


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"safety_identifier": "u-1", "user": "old"}, "u-1"),
        ({"user": "old"}, "old"),
        ({"safety_identifier": ""}, None),
        ({"user": 5}, None),
        ({}, None),
    ],
)
def test_the_end_users_id(asked: dict[str, Any], expected: str | None) -> None:
    """OpenAI's newer field, then the older one."""
    assert safety_identifier_of(asked) == expected
