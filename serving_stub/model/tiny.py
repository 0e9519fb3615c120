"""A tiny random model with a byte-level vocabulary: for tests that need a real engine and no download.

Its weights come from a seed, so the same seed answers the same nonsense on every machine.
"""

from __future__ import annotations

import torch
from tokenizers import pre_tokenizers

from serving_stub.model.config import ModelConfig
from serving_stub.model.gguf import State, TokenizerTables

CONFIG = ModelConfig(
    name="tiny",
    num_layers=2,
    hidden_size=64,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
    ffn_size=128,
    vocab_size=259,
    rope_base=10_000.0,
    norm_eps=1e-5,
    max_model_len=2048,
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def tokenizer_tables() -> TokenizerTables:
    """256 bytes and three special tokens; no merges."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    return TokenizerTables(
        tokens=[*SPECIAL_TOKENS, *alphabet],
        merges=[],
        special_tokens=SPECIAL_TOKENS,
        eos_token_id=2,
        chat_template=CHAT_TEMPLATE,
    )


def state(seed: int = 0) -> State:
    """Random weights under GGUF's names."""
    generator = torch.Generator().manual_seed(seed)

    def random(rows: int, columns: int) -> torch.Tensor:
        return torch.randn(rows, columns, generator=generator).div(float(columns) ** 0.5)

    c = CONFIG
    weights: State = {
        "token_embd.weight": random(c.vocab_size, c.hidden_size),
        "output_norm.weight": torch.ones(c.hidden_size),
    }
    for layer in range(c.num_layers):
        prefix = f"blk.{layer}."
        weights |= {
            prefix + "attn_norm.weight": torch.ones(c.hidden_size),
            prefix + "attn_q.weight": random(c.num_heads * c.head_dim, c.hidden_size),
            prefix + "attn_k.weight": random(c.num_kv_heads * c.head_dim, c.hidden_size),
            prefix + "attn_v.weight": random(c.num_kv_heads * c.head_dim, c.hidden_size),
            prefix + "attn_output.weight": random(c.hidden_size, c.num_heads * c.head_dim),
            prefix + "ffn_norm.weight": torch.ones(c.hidden_size),
            prefix + "ffn_gate.weight": random(c.ffn_size, c.hidden_size),
            prefix + "ffn_up.weight": random(c.ffn_size, c.hidden_size),
            prefix + "ffn_down.weight": random(c.hidden_size, c.ffn_size),
        }
    return weights
