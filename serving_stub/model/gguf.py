"""Reads a Llama GGUF file: sizes, weights and the tokenizer's tables.

llama.cpp stores the rows of q and k interleaved for its own rotary layout; they are put back into the half-split
order that the rest of the field uses. What a start needs (dequantised weights, the few fields that are read, which the
reader finds only by reading all) is kept beside the file, so a later start is quick.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from safetensors.torch import load_file, save_file

from serving_stub.model.config import ModelConfig

SPECIAL_TOKEN_TYPE = 3
"""`LLAMA_TOKEN_TYPE_CONTROL` of the GGUF specification."""

State = dict[str, torch.Tensor]

_SUFFIXES = {torch.float32: "fp32", torch.bfloat16: "bf16"}
FIELDS = (
    "llama.embedding_length",
    "llama.attention.head_count",
    "llama.attention.head_count_kv",
    "llama.block_count",
    "llama.feed_forward_length",
    "llama.rope.freq_base",
    "llama.attention.layer_norm_rms_epsilon",
    "llama.context_length",
    "tokenizer.ggml.tokens",
    "tokenizer.ggml.token_type",
    "tokenizer.ggml.merges",
    "tokenizer.ggml.eos_token_id",
    "tokenizer.chat_template",
)


@dataclass(frozen=True, slots=True)
class TokenizerTables:
    """What the file says about its tokenizer."""

    tokens: list[str]
    merges: list[tuple[str, str]]
    special_tokens: list[str]
    eos_token_id: int
    chat_template: str


class GgufFile:
    """One GGUF file of a Llama-shaped model."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _reader(self) -> gguf.GGUFReader:
        return gguf.GGUFReader(self.path)

    @cached_property
    def _fields(self) -> Mapping[str, Any]:
        kept, status = self.path.with_suffix(".fields.json"), self.path.stat()
        of = [status.st_size, status.st_mtime_ns]
        if kept.exists():
            known = json.loads(kept.read_text(encoding="utf-8"))
            if known["of"] == of:
                fields: Mapping[str, Any] = known["fields"]
                return fields
        fields = {key: self._reader.fields[key].contents() for key in FIELDS}
        content = json.dumps({"of": of, "fields": fields})
        _keep(kept, lambda path: path.write_text(content, encoding="utf-8"))
        return fields

    def _field(self, key: str) -> Any:
        return self._fields[key]

    def config(self, name: str) -> ModelConfig:
        """The model's sizes."""
        hidden_size = int(self._field("llama.embedding_length"))
        num_heads = int(self._field("llama.attention.head_count"))
        return ModelConfig(
            name=name,
            num_layers=int(self._field("llama.block_count")),
            hidden_size=hidden_size,
            num_heads=num_heads,
            num_kv_heads=int(self._field("llama.attention.head_count_kv")),
            head_dim=hidden_size // num_heads,
            ffn_size=int(self._field("llama.feed_forward_length")),
            vocab_size=len(self._field("tokenizer.ggml.tokens")),
            rope_base=float(self._field("llama.rope.freq_base")),
            norm_eps=float(self._field("llama.attention.layer_norm_rms_epsilon")),
            max_model_len=int(self._field("llama.context_length")),
        )

    def tokenizer_tables(self) -> TokenizerTables:
        """Vocabulary, merges, special tokens and chat template."""
        tokens: list[str] = self._field("tokenizer.ggml.tokens")
        types: list[int] = self._field("tokenizer.ggml.token_type")
        merges: list[tuple[str, str]] = []
        for merge in self._field("tokenizer.ggml.merges"):
            left, right = merge.split(" ")
            merges.append((left, right))
        return TokenizerTables(
            tokens=tokens,
            merges=merges,
            special_tokens=[t for t, kind in zip(tokens, types, strict=True) if kind == SPECIAL_TOKEN_TYPE],
            eos_token_id=int(self._field("tokenizer.ggml.eos_token_id")),
            chat_template=self._field("tokenizer.chat_template"),
        )

    def state(self, dtype: torch.dtype = torch.float32) -> State:
        """All weights in *dtype*, by GGUF name, q and k rows in half-split order."""
        kept = self.path.with_suffix(f".{_SUFFIXES[dtype]}.safetensors")
        if kept.exists():
            return load_file(kept)
        state = self._read_state() if dtype is torch.float32 else self._rounded(dtype)
        _keep(kept, lambda path: save_file(state, path))
        return state

    def _rounded(self, dtype: torch.dtype) -> State:
        return {name: weight.to(dtype) for name, weight in self.state().items()}

    def _read_state(self) -> State:
        heads = {
            "attn_q.weight": int(self._field("llama.attention.head_count")),
            "attn_k.weight": int(self._field("llama.attention.head_count_kv")),
        }
        state: State = {}
        for tensor in self._reader.tensors:
            weight = torch.from_numpy(np.array(gguf.dequantize(tensor.data, tensor.tensor_type), dtype=np.float32))
            num_heads = next((count for suffix, count in heads.items() if tensor.name.endswith(suffix)), None)
            if num_heads is not None:
                rows, columns = weight.shape
                interleaved = weight.view(num_heads, rows // num_heads // 2, 2, columns)
                weight = interleaved.transpose(1, 2).reshape(rows, columns)
            state[tensor.name] = weight.contiguous()
        return state


def _keep(path: Path, write: Callable[[Path], object]) -> None:
    """Two servers may start at once: each writes a file of its own, and either result is whole."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        partial = Path(scratch) / path.name
        write(partial)
        partial.replace(path)
