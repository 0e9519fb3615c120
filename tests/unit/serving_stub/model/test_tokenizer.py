"""Text to tokens and back, on the byte-level vocabulary of the tiny model."""

from __future__ import annotations

import pytest
from jinja2.exceptions import SecurityError
from tokenizers import pre_tokenizers

from serving_stub.model import tiny
from serving_stub.model.gguf import TokenizerTables
from serving_stub.model.tokenizer import Message, Tokenizer, _byte_of_character
from tests.support.tiny_engine import tiny_tokenizer

AWKWARD = {
    "empty": "",
    "spaces": "  two  spaces ",
    "line ends": "a\r\nb\n\n\tc",
    "emoji": "👩‍💻🇨🇭",
    "CJK": "你好,世界",
    "Arabic digits": "١٢٣",
    "combining": "e\u0301 vs é",
    "control": "\x00\x7f\u200b\ufeff",
    "replacement character": "a\ufffdb",
}


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD.keys())
def test_text_survives_the_way_to_tokens_and_back(text: str) -> None:
    """Nothing is added, lost or normalised."""
    tokenizer = tiny_tokenizer()
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD.keys())
def test_a_stream_gives_the_same_text(text: str) -> None:
    """Pieces joined are the whole, and each is whole characters."""
    stream = tiny_tokenizer().stream()
    assert "".join(stream.push(token) for token in tiny_tokenizer().encode(text)) == text


def test_bytes_that_are_no_character_become_the_replacement_character() -> None:
    """A stream and a decoding of the whole agree on bytes that are not UTF-8."""
    tokenizer = tiny_tokenizer()
    byte_of = {token: tokenizer.encode(token)[0] for token in "ab"}
    e2, x82 = tokenizer.encode("\u20ac")[:2]
    ids = [byte_of["a"], x82, e2, x82, byte_of["b"]]
    stream = tokenizer.stream()
    assert "".join(stream.push(token) for token in ids) == tokenizer.decode(ids) == "a\ufffd\ufffdb"


def test_special_tokens_are_one_token_and_have_no_text() -> None:
    """`<|im_end|>` is the end token, not ten characters."""
    tokenizer = tiny_tokenizer()
    ids = tokenizer.encode("a<|im_end|>b")
    assert ids[1] == tokenizer.eos_token_id
    assert len(ids) == 3
    assert tokenizer.decode(ids) == "ab"
    assert tokenizer.decode(ids, skip_special_tokens=False) == "a<|im_end|>b"
    stream = tokenizer.stream()
    assert [stream.push(token) for token in ids] == ["a", "", "b"]


def test_the_byte_alphabet_is_the_tokenizers_own() -> None:
    """Our table of characters for bytes is the one that the tokenizer library uses."""
    assert set(_byte_of_character()) == set(pre_tokenizers.ByteLevel.alphabet())
    assert sorted(_byte_of_character().values()) == list(range(256))


def test_the_chat_template_marks_turns_and_opens_the_answer() -> None:
    """A conversation ends with the assistant's open turn."""
    tokenizer = tiny_tokenizer()
    ids = tokenizer.apply_chat_template([Message("system", "Be brief."), Message("user", "Hi")])
    assert tokenizer.decode(ids, skip_special_tokens=False) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_chat_template_can_change_nothing() -> None:
    """A template from a file is rendered in a sandbox."""
    tables = tiny.tokenizer_tables()
    hostile = TokenizerTables(
        tables.tokens, tables.merges, tables.special_tokens, 2, "{{ ''.__class__.__mro__[1].__subclasses__() }}"
    )
    with pytest.raises(SecurityError):
        Tokenizer(hostile).apply_chat_template([Message("user", "Hi")])
