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

from serving_stub.engine.build import build_engine
from serving_stub.engine.config import EngineConfig
from serving_stub.model import linear
from serving_stub.model.attention import CPU, AttentionMetadata, KVCache, attend
from serving_stub.model.config import ModelConfig
from serving_stub.model.layers import Rotary, gated, rotate
from serving_stub.model.linear import choose_ways, to_linear
from serving_stub.model.native.build import NoKernels, library_path
from serving_stub.model.native.kernels import Kernels
from serving_stub.model.quantized import to_int8
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


@pytest.mark.parametrize(
    ("heads", "kv_heads", "head_dim"),
    [(9, 3, 64), (4, 4, 64), (4, 2, 32), (10, 2, 64), (16, 2, 128), (7, 1, 128), (32, 1, 64)],
)
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
    cos, sin = Rotary(config, BF16, CPU).at(positions)
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
    """Packed, plain, by kernel, by vectors or on matrix units: the same numbers but for rounding, whatever the rows."""
    matrix = noise(96, 64)
    ways = to_linear(matrix, kernels).ways
    for rows in (1, 3, 7, 16, 17, 32, 33, 40, 200):
        x = noise(rows, 64, seed=9)
        for way in ways.values():
            assert_rounded_alike(way(x), F.linear(x.float(), matrix.float()), floor=1e-2)


@pytest.mark.parametrize(("m", "k"), [(32, 32), (96, 64), (160, 576), (576, 1536)])
@pytest.mark.parametrize("by", ["matrix units", "vectors"])
def test_tiles_hold_any_size_that_fits(kernels: Kernels, m: int, k: int, by: str) -> None:
    """An odd number of feature groups, one step of k, many: each is the product, with any number of rows."""
    if not (kernels.has_tiles if by == "matrix units" else kernels.has_vectors):
        pytest.skip(f"this processor has no {by}")
    multiply = kernels.tiles_linear if by == "matrix units" else kernels.vectors_linear
    matrix = noise(m, k, seed=1)
    tiles = kernels.to_tiles(matrix)
    assert tiles is not None
    for rows in (*range(1, 27), 31, 70):
        x = noise(rows, k, seed=2)
        assert_rounded_alike(multiply(x, tiles), F.linear(x.float(), matrix.float()), floor=2e-2)


@pytest.mark.parametrize(("m", "k"), [(32, 64), (96, 128), (160, 576)])
@pytest.mark.parametrize("has_tiles", [True, False], ids=["matrix units", "vectors"])
def test_8_bit_products_are_the_same_in_every_way(
    kernels: Kernels, m: int, k: int, has_tiles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums are exact integers, so the ways differ by the last rounding only; rows do not know each other."""
    if has_tiles and not kernels.has_tiles:
        pytest.skip("this processor has no matrix units")
    monkeypatch.setattr(kernels, "has_tiles", has_tiles)
    matrix = noise(m, k, seed=1)
    by_tiles, plain = to_int8(matrix, kernels), to_int8(matrix, None)
    for rows in (1, 2, 5, 11, 16, 31, 70):
        x = noise(rows, k, seed=2) * torch.linspace(0.01, 30, rows)[:, None].to(BF16)
        x[0] = 0
        assert_rounded_alike(by_tiles(x), plain(x).float())
        assert torch.equal(torch.cat([by_tiles(row[None]) for row in x]), by_tiles(x))
        exact = F.linear(x.float(), matrix.float())
        assert ((by_tiles(x).float() - exact).norm() / (exact.norm() + 1e-9)) < 0.02


@pytest.mark.parametrize(("m", "k"), [(96, 33), (33, 64), (16, 32)])
def test_a_matrix_that_fits_no_tiles_is_told(kernels: Kernels, m: int, k: int) -> None:
    """The other ways take it."""
    assert kernels.to_tiles(noise(m, k)) is None
    linear_ = to_linear(noise(m, k), kernels)
    linear_.choose(dict.fromkeys(linear.ROWS, "tiles"))
    assert linear_(noise(3, k)).shape == (3, m)


def test_each_number_of_rows_has_its_way(kernels: Kernels) -> None:
    """The ways that were not chosen are let go, with their copies; no rows at all are an empty product."""
    linears = [to_linear(noise(96, 64, seed=seed), kernels) for seed in range(3)]
    chosen = choose_ways(linears, linears, BF16)
    assert set(chosen) == set(linear.ROWS)
    assert all(not one.ways for one in linears)
    assert linears[0](noise(0, 64)).shape == (0, 96)
    assert linears[0](noise(500, 64)).shape == (500, 96)


def test_fp32_is_torchs_own() -> None:
    """There nothing is packed or measured: tokens must equal those of transformers."""
    only = to_linear(torch.randn(8, 4), None)
    assert set(only.ways) == {"torch"}
    assert set(choose_ways([only], [only], torch.float32).values()) == {"torch"}


def test_a_way_must_clearly_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """A way that is only as fast as torch's is not taken."""
    one = to_linear(noise(8, 4), Kernels(1))
    monkeypatch.setattr(linear, "MARGIN", 0.0)
    assert set(choose_ways([one], [one], BF16).values()) == {"torch"}
