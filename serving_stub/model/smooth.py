"""Makes a model's weights fit for 8-bit rows: a few channels of what products are given are far larger than the rest,
and would leave the others next to no integers. Each such channel is divided by a factor where it comes from, and its
column of the weights multiplied with it, so that the model stays the same.

Source: Xiao et al. 2023, "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models",
sections 4 and 5.2 (half of the difficulty is moved).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F

from serving_stub.model.config import ModelConfig
from serving_stub.model.gguf import State
from serving_stub.model.tokenizer import Tokenizer
from serving_stub.model.transformer import HEAD, Transformer
from serving_stub.model.whole import logits_of

SAMPLE = Path(__file__).with_name("calibration.txt")
MAX_NUM_TOKENS = 300
SMALLEST = 1e-4


class _Seen:
    """A product that keeps the largest number that each channel was given."""

    def __init__(self, matrix: torch.Tensor) -> None:
        self._matrix = matrix
        self.largest = torch.zeros(matrix.shape[1])

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.largest = torch.maximum(self.largest, x.float().abs().amax(dim=0))
        return F.linear(x, self._matrix)


def smooth(config: ModelConfig, state: State, tokenizer: Tokenizer) -> State:
    """The same model with its outlying channels moved into the weights; the head gets weights of its own."""
    qkv, gate_up, down, head = _largest_inputs(config, state, tokenizer.encode(SAMPLE.read_text(encoding="utf-8")))
    moved = dict(state)
    for layer in range(config.num_layers):
        prefix = f"blk.{layer}."
        _move(moved, prefix + "attn_norm", [prefix + name for name in ("attn_q", "attn_k", "attn_v")], qkv[layer])
        _move(moved, prefix + "ffn_norm", [prefix + "ffn_gate", prefix + "ffn_up"], gate_up[layer])
        # The product of gate and up is as large as up's rows make it.
        _move(moved, prefix + "ffn_up", [prefix + "ffn_down"], down[layer])
    moved.setdefault(f"{HEAD}.weight", moved["token_embd.weight"])
    _move(moved, "output_norm", [HEAD], head)
    return moved


def _move(state: State, source: str, products: Sequence[str], largest: torch.Tensor) -> None:
    names = [f"{name}.weight" for name in products]
    weights = torch.stack([state[name].abs().amax(dim=0) for name in names]).amax(dim=0)
    factors = (largest.clamp(min=SMALLEST) / weights.clamp(min=SMALLEST)).sqrt()
    state[f"{source}.weight"] = (state[f"{source}.weight"].t() / factors).t().contiguous()
    for name in names:
        state[name] = state[name] * factors


def _largest_inputs(
    config: ModelConfig, state: State, token_ids: Sequence[int]
) -> tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
    """For the sample: what qkv, gate and up, and down were given in each layer, and the head; each [K]."""
    seen: list[_Seen] = []

    def watch(matrix: torch.Tensor) -> _Seen:
        seen.append(_Seen(matrix))
        return seen[-1]

    logits_of(Transformer(config, state, torch.bfloat16, multiply=watch), token_ids[:MAX_NUM_TOKENS])
    *layers, head = (one.largest for one in seen)
    return layers[0::4], layers[2::4], layers[3::4], head
