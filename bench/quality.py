"""What a faster number format costs: perplexity, and how often the most likely token stays the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F

from serving_stub.model.config import ModelConfig
from serving_stub.model.gguf import State
from serving_stub.model.tokenizer import Tokenizer
from serving_stub.model.transformer import Transformer
from serving_stub.model.whole import logits_of

TEXT = Path(__file__).parents[1] / "docs/serving.md"
NUM_TOKENS = 768


def perplexity(of: torch.Tensor, token_ids: Sequence[int]) -> float:
    """exp of the mean negative log-likelihood of each token but the first, given those before it."""
    return float(F.cross_entropy(of[:-1], torch.tensor(token_ids[1:])).exp())


def describe_quality(
    config: ModelConfig, state: State, tokenizer: Tokenizer, bf16: Transformer, int8: Transformer
) -> str:
    """One line about both formats, against fp32 on the same weights."""
    token_ids = tokenizer.encode(TEXT.read_text(encoding="utf-8"))[:NUM_TOKENS]
    exact = logits_of(Transformer(config, state, torch.float32), token_ids)
    parts = [f"perplexity of {len(token_ids)} tokens in fp32 {perplexity(exact, token_ids):.2f}"]
    for name, model in (("bf16", bf16), ("int8", int8)):
        rounded = logits_of(model, token_ids)
        same = float((rounded.argmax(-1) == exact.argmax(-1)).float().mean())
        parts.append(f"{name} {perplexity(rounded, token_ids):.2f} with {same:.0%} of the greedy tokens")
    return ", ".join(parts)
