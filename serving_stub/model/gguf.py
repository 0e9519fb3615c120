"""Reads a Llama GGUF file: sizes, weights and the tokenizer's tables.

llama.cpp stores the rows of q and k interleaved for its own rotary layout; they are put back into the half-split
order that the rest of the field uses. Dequantised weights are kept beside the file, so a later start is quick.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
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
        self._reader = gguf.GGUFReader(path)

    def _field(self, key: str) -> Any:
        return self._reader.fields[key].contents()

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

    def state(self) -> State:
        """All weights in fp32, by GGUF name, q and k rows in half-split order."""
        kept = self.path.with_suffix(".fp32.safetensors")
        if kept.exists():
            return load_file(kept)
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
        # Two servers may start at once: each writes a file of its own, and either result is whole.
        with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
            partial = Path(scratch) / kept.name
            save_file(state, partial)
            partial.replace(kept)
        return state
