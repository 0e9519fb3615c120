"""Smoothing moves outliers into the weights and changes nothing else; the fast mode built on it needs no neighbours."""

from __future__ import annotations

import torch

from serving_stub.engine.build import build_engine
from serving_stub.engine.config import EngineConfig
from serving_stub.model import tiny
from serving_stub.model.gguf import State
from serving_stub.model.smooth import smooth
from serving_stub.model.tokenizer import Tokenizer
from serving_stub.model.transformer import Transformer
from serving_stub.model.whole import logits_of
from tests.support.tiny_engine import answer_all, request, tokens

TOKENIZER = Tokenizer(tiny.tokenizer_tables())


def logits(state: State) -> torch.Tensor:
    """Of a few tokens in fp32."""
    return logits_of(Transformer(tiny.CONFIG, state, torch.float32), range(50, 66))


def with_outliers() -> State:
    """The tiny model with two channels a hundred times as large as the rest."""
    state = tiny.state()
    for layer in range(tiny.CONFIG.num_layers):
        state[f"blk.{layer}.attn_norm.weight"][7] = 100.0
        state[f"blk.{layer}.ffn_up.weight"][3] *= 100.0
    return state


def test_the_smoothed_model_is_the_same() -> None:
    """In fp32 its logits differ by rounding only, and the embedding is untouched."""
    state = with_outliers()
    smoothed = smooth(tiny.CONFIG, state, TOKENIZER)
    assert torch.allclose(logits(smoothed), logits(state), rtol=1e-3, atol=1e-3)
    assert torch.equal(smoothed["token_embd.weight"], state["token_embd.weight"])
    assert state["blk.0.attn_norm.weight"][7] == 100, "what was given is left alone"


def test_outliers_are_smaller_afterwards() -> None:
    """The channel that stuck out sticks out by its root."""
    before, after = with_outliers(), smooth(tiny.CONFIG, with_outliers(), TOKENIZER)
    norms = [state["blk.1.attn_norm.weight"] for state in (before, after)]
    ratios = [float(norm[7] / norm.median()) for norm in norms]
    assert ratios[1] < ratios[0] / 5


def test_an_8_bit_answer_does_not_depend_on_its_neighbours() -> None:
    """Alone, in a batch and in chunks a request gets the same tokens."""
    config = EngineConfig(model="tiny", quantization="int8", max_num_seqs=8, max_num_batched_tokens=32, num_blocks=64)
    prompts = {str(i): "hello world, " * i + "again" for i in range(1, 7)}
    engine, _ = build_engine(config)
    together = answer_all(engine, [request(name, text) for name, text in prompts.items()])
    for name, text in prompts.items():
        alone = answer_all(build_engine(config)[0], [request(name, text)])
        assert tokens(alone[name]) == tokens(together[name])
