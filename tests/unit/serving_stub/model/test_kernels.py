"""The C++ kernels against plain torch, and what happens where they cannot be built."""

from __future__ import annotations

import logging
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from serving_stub.engine.config import EngineConfig
from serving_stub.engine.engine import build_engine
from serving_stub.model import linear
from serving_stub.model.attention import AttentionMetadata, KVCache, attend
from serving_stub.model.config import ModelConfig
from serving_stub.model.layers import Rotary, gated, rotate
from serving_stub.model.linear import Linear, Weight, to_weight
from serving_stub.model.native.build import NoKernels, library_path
from serving_stub.model.native.kernels import Kernels
from serving_stub.model.tiny import CONFIG
from tests.support.tiny_engine import answer_all, request, tokens

BF16 = torch.bfloat16
BF16_STEP = 2.0**-7
"""Two neighbouring bf16 numbers differ by at most this share."""


@pytest.fixture(scope="module")
def kernels() -> Kernels:
    """Built once; the test machine has a compiler."""
    return Kernels(2)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normal numbers in bf16."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(BF16)


def assert_rounded_alike(ours: torch.Tensor, exact: torch.Tensor, floor: float = 1e-3) -> None:
    """*ours* is *exact*, computed in fp32, but for bf16's rounding."""
    assert torch.all((ours.float() - exact).abs() <= BF16_STEP * exact.abs() + floor)


@pytest.mark.parametrize("n", [*range(1, 10), 17])
@pytest.mark.parametrize(("k", "m"), [(64, 96), (576, 131), (50, 7)])
def test_a_product_is_the_product(kernels: Kernels, n: int, k: int, m: int) -> None:
    """For any number of rows, and for sizes that fill no vector."""
    x, w = noise(n, k), noise(m, k, seed=1)
    assert_rounded_alike(kernels.linear(x, w), F.linear(x.float(), w.float()), floor=1e-2)


@pytest.mark.parametrize("h", [64, 576, 33])
def test_add_and_norm(kernels: Kernels, h: int) -> None:
    """The sum stays in x, and what comes back is its norm times the weight."""
    x, added, weight = noise(5, h), noise(5, h, seed=1), noise(h, seed=2)
    total = x + added
    out = kernels.add_norm(x, added, weight, 1e-5)
    assert torch.equal(x, total)
    assert_rounded_alike(out, F.rms_norm(total.float(), (h,), weight.float(), 1e-5))
    alone = kernels.add_norm(x, None, weight, 1e-5)
    assert torch.equal(alone, out)


def test_the_gate(kernels: Kernels) -> None:
    """silu(gate) · up, far out on both sides too."""
    both = noise(3, 80)
    both[0, :4] = torch.tensor([-200.0, 200.0, -30.0, 30.0])
    assert_rounded_alike(kernels.gated(both), gated(both.float()))


@pytest.mark.parametrize(("heads", "kv_heads", "head_dim"), [(9, 3, 64), (4, 4, 64), (4, 2, 32), (10, 2, 64)])
def test_attention_is_the_plain_pass(kernels: Kernels, heads: int, kv_heads: int, head_dim: int) -> None:
    """Rows of unlike length with scattered blocks read what plain torch reads, and store the same keys and values."""
    config = replace(CONFIG, num_heads=heads, num_kv_heads=kv_heads, head_dim=head_dim)
    lengths, block_size, num_blocks = [1, 16, 17, 40], 16, 16
    tables = torch.tensor([[5, 5, 5], [2, 2, 2], [9, 0, 9], [7, 11, 3]])
    cache, mirror = (KVCache(config, num_blocks, block_size, BF16) for _ in range(2))
    for pool in (cache, mirror):
        pool.keys.copy_(noise(*pool.keys.shape, seed=3))
        pool.values.copy_(noise(*pool.values.shape, seed=4))
    positions = torch.tensor(lengths) - 1
    qkv = noise(4, (heads + 2 * kv_heads) * head_dim, seed=5)
    cos, sin = Rotary(config, BF16).at(positions)
    out = torch.empty(4, heads * head_dim, dtype=BF16)
    kernels.attend(qkv, (cos, sin), positions, tables, (cache.keys[0], cache.values[0]), heads, out)
    assert_rounded_alike(out, _plain_attention(qkv, (cos, sin), positions, tables, mirror, config), floor=2e-2)
    assert_rounded_alike(cache.keys[0], mirror.keys[0].float())
    assert torch.equal(cache.values, mirror.values)


def _plain_attention(
    qkv: torch.Tensor,
    rotation: tuple[torch.Tensor, torch.Tensor],
    positions: torch.Tensor,
    tables: torch.Tensor,
    cache: KVCache,
    config: ModelConfig,
) -> torch.Tensor:
    """The same by plain torch; the cache is written in bf16, the attention is computed in fp32."""
    rotated = (config.num_heads + config.num_kv_heads) * config.head_dim
    cos, sin = (part.float() for part in rotation)
    qk = rotate(qkv[:, :rotated].view(len(qkv), -1, config.head_dim).float(), cos, sin).to(BF16)
    slots = tables[torch.arange(len(qkv)), positions // 16] * 16 + positions % 16
    v = qkv[:, rotated:].view(len(qkv), config.num_kv_heads, config.head_dim)
    cache.write(0, slots, qk[:, config.num_heads :], v)
    exact = KVCache(config, cache.keys.shape[1], 16, torch.float32)
    exact.keys.copy_(cache.keys)
    exact.values.copy_(cache.values)
    visible = torch.arange(tables.shape[1] * 16)[None] <= positions[:, None]
    mask = torch.zeros(visible.shape).masked_fill_(~visible, float("-inf"))[:, None, None]
    metadata = AttentionMetadata(slots, len(qkv), tables, mask, ())
    return attend(qk[:, : config.num_heads].float(), exact, 0, metadata, config)


def test_a_strided_tensor_is_not_read_wrongly(kernels: Kernels) -> None:
    """It is refused, which is our own mistake to fix."""
    with pytest.raises(AssertionError):
        kernels.linear(noise(8, 4).t(), noise(3, 8))


def test_loading_leaves_the_processors_arithmetic_alone(kernels: Kernels) -> None:
    """The smallest numbers stay numbers for everybody else in the process."""
    assert kernels is not None
    assert sys.float_info.min / 2 > 0


def test_the_library_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second asking finds the first one's file, and no scrap is left."""
    monkeypatch.setenv("OPSBOT_CACHE", str(tmp_path))
    path = library_path()
    built_at = path.stat().st_mtime_ns
    assert library_path() == path
    assert path.stat().st_mtime_ns == built_at
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("compiler", ["/nonexistent/c++", "false"])
def test_without_a_compiler_torch_does_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, compiler: str
) -> None:
    """The engine says why, once, and answers all the same."""
    monkeypatch.setenv("OPSBOT_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", compiler)
    with caplog.at_level(logging.WARNING):
        engine, _ = build_engine(EngineConfig(model="tiny", max_num_seqs=4, kernels="auto"))
    assert caplog.text.count("without C++ kernels, plain torch computes everything") == 1
    assert len(tokens(answer_all(engine, [request("r", "hello")])["r"])) == 8
    assert list(tmp_path.iterdir()) == []


def test_no_compiler_at_all_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is said."""
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(NoKernels, match="apt-get install"):
        library_path()


def test_every_way_gives_the_same_product(kernels: Kernels) -> None:
    """Packed, plain or by the kernel: the same numbers but for rounding, for every number of rows."""
    weights = [to_weight(noise(96, 64, seed=seed)) for seed in range(3)]
    multiply = Linear(weights, kernels)
    assert set(multiply.chosen) == set(linear.ROWS)
    for rows in (1, 3, 7, 40, 200):
        x = noise(rows, 64, seed=9)
        assert_rounded_alike(multiply(x, weights[0]), F.linear(x.float(), weights[0].plain.float()), floor=1e-2)


def test_fp32_is_torchs_own() -> None:
    """There nothing is packed or measured: tokens must equal those of transformers."""
    weight = to_weight(torch.randn(8, 4))
    assert weight.packed is None
    assert set(Linear([weight], None).chosen.values()) == {"torch"}


def test_a_way_must_clearly_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """A way that is only as fast as torch's is not taken."""
    weight = Weight(noise(8, 4), None)
    monkeypatch.setattr(linear, "MARGIN", 0.0)
    assert set(Linear([weight], Kernels(1)).chosen.values()) == {"torch"}
