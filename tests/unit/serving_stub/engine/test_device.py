"""The engine away from the CPU: every tensor of a step goes where the model is, and the pool fits a GPU's memory."""

from __future__ import annotations

import pytest
import torch

from serving_stub.engine.batch import build_batch
from serving_stub.engine.config import EngineConfig
from serving_stub.engine.pool import blocks_that_fit, num_blocks, to_device
from serving_stub.errors import SettingError
from serving_stub.model.attention import KVCache
from serving_stub.model.load import load_model
from serving_stub.model.tiny import CONFIG
from serving_stub.roofline.calibrate import known_as
from serving_stub.roofline.catalogue import load_catalogue
from tests.support.tiny_engine import TINY, request, tiny_engine

META = torch.device("meta")
"""A device without data: torch refuses to mix its tensors with the CPU's, as it does with a GPU's."""
GIB = 1 << 30


def test_every_tensor_of_a_step_goes_where_the_model_is() -> None:
    """A step of two decoding rows and a prefill chunk runs on another device without a tensor left on the CPU."""
    model, _ = load_model("tiny", "fp32", device=META)
    cache = KVCache(CONFIG, TINY.num_pool_blocks, TINY.block_size, torch.float32, META)
    engine = tiny_engine()
    for name in ("a", "b"):
        engine.add(request(name, "some words"))
    engine.step()
    engine.add(request("c", "a prompt that comes while the others decode"))
    step = engine.scheduler.schedule()
    assert (len(step.decodes), len(step.prefills)) == (2, 1)
    batch = build_batch(step, CONFIG, TINY.block_size, torch.float32).to(META)
    logits = model.forward(batch.token_ids, batch.positions, cache, batch.metadata, batch.logit_rows)
    assert (logits.device, tuple(logits.shape)) == (META, (3, CONFIG.vocab_size))


def test_a_forgotten_tensor_is_refused() -> None:
    """The device without data is a fair stand-in: a batch that was left on the CPU fails on it."""
    model, _ = load_model("tiny", "fp32", device=META)
    cache = KVCache(CONFIG, TINY.num_pool_blocks, TINY.block_size, torch.float32, META)
    engine = tiny_engine()
    engine.add(request("a", "some words"))
    batch = build_batch(engine.scheduler.schedule(), CONFIG, TINY.block_size, torch.float32)
    with pytest.raises((RuntimeError, NotImplementedError)):
        model.forward(batch.token_ids, batch.positions, cache, batch.metadata, batch.logit_rows)


def test_blocks_are_copied_between_devices() -> None:
    """Swapped blocks arrive on the other device, at the places that were named."""
    here, there = (KVCache(CONFIG, 4, 16, torch.float32) for _ in range(2))
    there.keys[:, 3] = 7.0
    here.copy_blocks([1], there, [3])
    assert (here.keys[:, 1] == 7.0).all()
    assert not here.keys[:, 3].any()


def test_the_pool_takes_what_the_weights_left() -> None:
    """Of 80 GiB with 70 free, 90% may be used and a twentieth is work space: 58 GiB of blocks."""
    config = EngineConfig(num_blocks=None, gpu_memory_utilization=0.9)
    assert blocks_that_fit(70 * GIB, 80 * GIB, config, block_bytes=GIB / 64) == 58 * 64


def test_a_full_gpu_is_told_at_once() -> None:
    """A GPU that cannot hold one longest sequence is refused with what would help."""
    config = EngineConfig(num_blocks=None, max_model_len=2048)
    with pytest.raises(
        SettingError, match=r"which is 0 KV blocks; one sequence of max_model_len 2048 needs 128; lower it"
    ):
        blocks_that_fit(1 * GIB, 80 * GIB, config, block_bytes=1e6)


def test_a_cpu_has_the_usual_pool() -> None:
    """Unset, the pool has 1,024 blocks on a CPU; a number that was asked for stays."""
    assert num_blocks(EngineConfig(num_blocks=None), CONFIG, torch.device("cpu")) == 1024
    assert num_blocks(EngineConfig(num_blocks=7), CONFIG, torch.device("cpu")) == 7


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_cuda_without_a_gpu_is_refused() -> None:
    """Asking for what is not there names the alternatives; `auto` takes the CPU."""
    with pytest.raises(SettingError, match="finds no GPU here; use auto or cpu"):
        to_device("cuda")
    assert to_device("auto").type == "cpu"


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("AMD Instinct MI300X", "mi300x"),
        ("NVIDIA GeForce RTX 4090", None),
        ("NVIDIA GH100", None),
    ],
)
def test_a_gpu_is_found_in_the_catalogue_by_its_own_name(name: str, known: str | None) -> None:
    """Only a whole word counts."""
    assert known_as(name, load_catalogue().devices) == known


def test_int8_is_refused_on_a_gpu() -> None:
    """The fast mode is made of the CPU's instructions."""
    with pytest.raises(SettingError, match="quantization int8 is only made for the CPU"):
        load_model("tiny", quantization="int8", device=META)
