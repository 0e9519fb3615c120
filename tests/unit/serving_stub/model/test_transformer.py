"""The forward pass over a paged cache against the same stack written plainly, without any cache."""

from __future__ import annotations

import math

import pytest
import torch

from serving_stub.engine.batch import build_batch
from serving_stub.engine.block_manager import BlockManager
from serving_stub.engine.interface import GenerationRequest
from serving_stub.engine.scheduler import Scheduler
from serving_stub.engine.sequence import Sequence
from serving_stub.model import tiny
from serving_stub.model.attention import KVCache
from serving_stub.model.load import load_model
from serving_stub.model.transformer import Transformer

TOLERANCE = 2e-5
"""Largest logit difference in fp32; logits of the tiny model are about 1."""


def plain_logits(token_ids: list[int]) -> torch.Tensor:
    """Logits [S, vocab_size] of all positions, from the formulas: one matrix at a time, one head at a time, fp64."""
    c, w = tiny.CONFIG, {name: weight.double() for name, weight in tiny.state().items()}
    half = c.head_dim // 2
    angles = torch.outer(torch.arange(len(token_ids)).double(), c.rope_base ** -(torch.arange(half).double() / half))

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return x / (x.pow(2).mean(-1, keepdim=True) + c.norm_eps).sqrt() * w[f"{name}.weight"]

    def turn(x: torch.Tensor) -> torch.Tensor:
        turned = torch.complex(x[:, :half], x[:, half:]) * torch.polar(torch.ones_like(angles), angles)
        return torch.cat((turned.real, turned.imag), -1)

    x = w["token_embd.weight"][token_ids]
    future = torch.ones(len(token_ids), len(token_ids)).triu(1).bool()
    for i in range(c.num_layers):
        h = norm(x, f"blk.{i}.attn_norm")
        q, k, v = (h @ w[f"blk.{i}.attn_{name}.weight"].T for name in "qkv")
        heads = []
        for head in range(c.num_heads):
            shared = head // (c.num_heads // c.num_kv_heads)
            own = slice(head * c.head_dim, (head + 1) * c.head_dim)
            kv = slice(shared * c.head_dim, (shared + 1) * c.head_dim)
            scores = turn(q[:, own]) @ turn(k[:, kv]).T / math.sqrt(c.head_dim)
            heads.append(scores.masked_fill(future, -math.inf).softmax(-1) @ v[:, kv])
        x = x + torch.cat(heads, -1) @ w[f"blk.{i}.attn_output.weight"].T
        h = norm(x, f"blk.{i}.ffn_norm")
        gate, up = (h @ w[f"blk.{i}.ffn_{name}.weight"].T for name in ("gate", "up"))
        x = x + (torch.nn.functional.silu(gate) * up) @ w[f"blk.{i}.ffn_down.weight"].T
    return norm(x, "output_norm") @ w["token_embd.weight"].T


def paged_logits(prompts: list[list[int]], model: Transformer, *, budget: int, block_size: int) -> list[torch.Tensor]:
    """Logits of every sampled position of each prompt, teacher-forced: the first half prefilled, the rest decoded."""
    blocks = BlockManager(64, block_size, enable_prefix_caching=True)
    cache = KVCache(model.config, 64, block_size, model.dtype)
    scheduler = Scheduler(blocks, 8, budget)
    sequences = [Sequence(GenerationRequest(str(i), tuple(p[: len(p) // 2])), 0.0) for i, p in enumerate(prompts)]
    rows: list[list[torch.Tensor]] = [[] for _ in prompts]
    for seq in sequences:
        scheduler.add(seq)
    while scheduler.has_work:
        step = scheduler.schedule()
        batch = build_batch(step, model.config, block_size, model.dtype)
        logits = model.forward(batch.token_ids, batch.positions, cache, batch.metadata, batch.logit_rows)
        for item in step.work:
            scheduler.computed(item)
        for item, row in zip(batch.sampled, logits, strict=True):
            index = int(item.seq.request_id)
            rows[index].append(row)
            if len(item.seq) == len(prompts[index]):
                scheduler.finish(item.seq, "length")
            else:
                item.seq.token_ids.append(prompts[index][len(item.seq)])
    return [torch.stack(row) for row in rows]


@pytest.mark.parametrize(("budget", "block_size"), [(256, 16), (8, 4), (9, 1)], ids=["whole", "chunked", "tiny blocks"])
def test_the_paged_pass_agrees_with_the_plain_one(budget: int, block_size: int) -> None:
    """Every logit of three prompts of unlike lengths that run together is what the formulas say."""
    generator = torch.Generator().manual_seed(1)
    prompts = [torch.randint(0, 259, (n,), generator=generator).tolist() for n in (50, 7, 31)]
    prompts.append(prompts[0][:40] + prompts[1])
    model, _ = load_model("tiny", "fp32")
    for prompt, logits in zip(prompts, paged_logits(prompts, model, budget=budget, block_size=block_size), strict=True):
        expected = plain_logits(prompt)[len(prompt) // 2 - 1 :]
        torch.testing.assert_close(logits.double(), expected, atol=TOLERANCE, rtol=0)


def test_memory_that_held_no_numbers_does_no_harm() -> None:
    """A fresh cache is zero everywhere, so masked positions cannot bring NaN in."""
    cache = KVCache(tiny.CONFIG, 3, 4, torch.bfloat16)
    assert cache.keys.shape == (2, 3, 4, 2, 16)
    assert not cache.keys.any()
    assert not cache.values.any()


def test_the_tiny_model_is_its_seed() -> None:
    """The same seed gives the same weights, another seed others."""
    assert torch.equal(tiny.state(3)["blk.1.ffn_down.weight"], tiny.state(3)["blk.1.ffn_down.weight"])
    assert not torch.equal(tiny.state(3)["blk.1.ffn_down.weight"], tiny.state(4)["blk.1.ffn_down.weight"])


def test_sizes_count_every_matrix_once() -> None:
    """Layer and head parameters together are all matrices of the state, the tied one once."""
    matrices = sum(weight.numel() for weight in tiny.state().values() if weight.dim() == 2)
    assert tiny.CONFIG.num_layer_parameters + tiny.CONFIG.num_head_parameters == matrices
    assert tiny.CONFIG.kv_bytes_per_token(2) == 256
