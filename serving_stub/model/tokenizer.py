"""Text to token ids and back, and the chat template; all of it from the model's own file.

The template is the model author's, so it is rendered in a sandbox that can change nothing.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import AddedToken, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as BpeTokenizer

from serving_stub.model.gguf import TokenizerTables


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str


class Tokenizer:
    """A byte-level BPE tokenizer with a chat template."""

    def __init__(self, tables: TokenizerTables) -> None:
        vocabulary = {token: index for index, token in enumerate(tables.tokens)}
        tokenizer = BpeTokenizer(models.BPE(vocabulary, tables.merges))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens(
            [AddedToken(token, special=True, normalized=False) for token in tables.special_tokens]
        )
        self._tokenizer = tokenizer
        byte_of = _byte_of_character()
        special = set(tables.special_tokens)
        self._bytes_of_token = [
            b"" if token in special else bytes(byte_of[character] for character in token) for token in tables.tokens
        ]
        self._template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(
            tables.chat_template
        )
        self.eos_token_id = tables.eos_token_id
        self.vocab_size = len(tables.tokens)

    def to_json(self) -> str:
        """The tokenizer as `tokenizer.json`, which other servers of the same model read."""
        return str(self._tokenizer.to_str())

    def encode(self, text: str) -> list[int]:
        """Token ids of *text*; nothing is added at either end."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """The text of *token_ids*."""
        return str(self._tokenizer.decode(list(token_ids), skip_special_tokens=skip_special_tokens))

    def apply_chat_template(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation, ready for the assistant's next turn."""
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return self.encode(self._template.render(messages=turns, add_generation_prompt=True))

    def stream(self) -> TextStream:
        """A decoder for one answer as it grows."""
        return TextStream(self._bytes_of_token)


class TextStream:
    """Turns a growing list of token ids into text, never half of a character.

    Bytes that cannot be UTF-8 become U+FFFD, as in `Tokenizer.decode`; a character that the answer's end cuts off is
    not sent at all. Special tokens have no text.
    """

    def __init__(self, bytes_of_token: Sequence[bytes]) -> None:
        self._bytes_of_token = bytes_of_token
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token_id: int) -> str:
        """The text that became complete with *token_id*; often empty."""
        return self._decoder.decode(self._bytes_of_token[token_id])


def _byte_of_character() -> dict[str, int]:
    """The byte that each character of a byte-level vocabulary stands for.

    Printable bytes stand for themselves, the others are moved behind Latin-1 in order.
    Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", `bytes_to_unicode` of its code.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}
