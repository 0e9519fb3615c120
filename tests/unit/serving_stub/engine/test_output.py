"""Chunks of text, and stop strings that are never sent."""

from __future__ import annotations

import pytest

from serving_stub.engine.output import OutputText
from serving_stub.model.tokenizer import TextStream
from tests.support.tiny_engine import tiny_tokenizer


def pushed(text: str, *stop: str) -> tuple[list[str], OutputText]:
    """The chunks that the bytes of *text* give, one push a byte."""
    output = OutputText(tiny_tokenizer().stream(), stop)
    chunks = []
    for token in tiny_tokenizer().encode(text):
        chunks.append(output.push(token))
        if output.is_stopped:
            break
    return chunks, output


def test_text_without_a_stop_string_is_sent_at_once() -> None:
    """Nothing is held back without need."""
    assert pushed("abc")[0] == ["a", "b", "c"]


def test_a_character_is_sent_whole() -> None:
    """The three bytes of a character give nothing, nothing, the character."""
    assert pushed("€a")[0] == ["", "", "€", "a"]


def test_what_may_become_a_stop_string_is_held_back() -> None:
    """A beginning that turns out otherwise is sent later, complete."""
    assert pushed("aSTOaSb", "STOP")[0] == ["a", "", "", "", "STOa", "", "Sb"]


def test_a_stop_string_ends_the_answer_and_is_not_sent() -> None:
    """Everything before it is sent, nothing of it."""
    chunks, output = pushed("one STOP two", "STOP")
    assert "".join(chunks) == "one "
    assert output.is_stopped
    assert output.flush() == ""


@pytest.mark.parametrize(
    ("stop", "sent"),
    [(("cd", "b"), "a"), (("abcd", "bc"), "a"), (("€",), "abcd"), (("aab",), "abcd€x")],
    ids=["the first to appear", "one within another", "several bytes", "none"],
)
def test_the_first_complete_stop_string_counts(stop: tuple[str, ...], sent: str) -> None:
    """Several stop strings: the answer ends where the first of them is complete."""
    chunks, output = pushed("abcd€x", *stop)
    assert "".join(chunks) + output.flush() == sent


def test_the_earliest_of_several_in_one_token_counts() -> None:
    """A token may bring several stop strings at once; nothing after the earliest is sent."""
    output = OutputText(TextStream([b"a one two"]), ("two", "one"))
    assert output.push(0) == "a "
    assert output.is_stopped


def test_a_stop_string_after_its_own_beginning_is_found() -> None:
    """The search goes on within text that was held back: `aab` is found in `aaab`."""
    chunks, output = pushed("xaaab", "aab")
    assert "".join(chunks) == "xa"
    assert output.is_stopped


def test_the_end_sends_what_was_held_back() -> None:
    """An answer that ends within a beginning of a stop string keeps its text."""
    chunks, output = pushed("aST", "STOP")
    assert ("".join(chunks), output.flush()) == ("a", "ST")
