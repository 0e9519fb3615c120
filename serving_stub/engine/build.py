"""Puts an engine together: the model that is named, on the device that is there, with a pool that fits."""

from __future__ import annotations

import logging
from dataclasses import replace

import torch

from serving_stub.engine.config import EngineConfig
from serving_stub.engine.engine import Engine
from serving_stub.engine.interface import GenerationRequest, SamplingParams
from serving_stub.engine.pool import num_blocks, to_device
from serving_stub.engine.runner import TorchRunner, graphs_for
from serving_stub.model.load import load_model
from serving_stub.model.native.build import NoKernels
from serving_stub.model.native.kernels import Kernels
from serving_stub.model.tokenizer import Tokenizer
from serving_stub.roofline.calibrate import device_here, gpu_here
from serving_stub.roofline.catalogue import load_catalogue
from serving_stub.roofline.roof import Device

logger = logging.getLogger(__name__)

WARM_UP_TOKENS = 64


def build_engine(config: EngineConfig) -> tuple[Engine, Tokenizer]:
    """Load the model that *config* names and put an engine around it; its config has the pool's size filled in.

    Raises: ModelFileMissing, SettingError.
    """
    torch.set_num_threads(config.num_threads)
    device = to_device(config.device)
    roof = _roof(config, device)
    model, tokenizer = load_model(
        config.model,
        config.dtype,
        seed=config.seed,
        cache_dir=config.cache_dir,
        kernels=_kernels(config, device),
        quantization=config.quantization,
        device=device,
    )
    logger.info("products with 1, 2, 4 … rows: %s", config.quantization or ", ".join(model.ways.values()))
    config = replace(config, num_blocks=num_blocks(config, model.config, device))
    logger.info("on %s: %d KV blocks of %d tokens", roof.name, config.num_pool_blocks, config.block_size)
    runner = TorchRunner(
        model,
        config.num_pool_blocks,
        config.block_size,
        config.seed,
        config.num_swap_blocks,
        capture=graphs_for(device),
    )
    engine = Engine(config, model.config, runner, tokenizer, device=roof)
    _warm_up(engine)
    return engine, tokenizer


def _warm_up(engine: Engine) -> None:
    """One short request before any client's: what libraries set up at first use costs half a second."""
    room = min(engine.max_model_len, engine.config.num_pool_blocks * engine.config.block_size)
    length, answer = min(WARM_UP_TOKENS, room - 2), SamplingParams(max_tokens=2, ignore_eos=True)
    if length < 1:
        return
    engine.add(GenerationRequest("warm-up", (0,) * length, answer))
    while engine.has_work:
        engine.step()
    engine.reset()


def _kernels(config: EngineConfig, device: torch.device) -> Kernels | None:
    if config.kernels == "off" or config.dtype != "bf16" or device.type != "cpu":
        return None
    try:
        return Kernels(config.num_threads)
    except NoKernels as reason:
        logger.warning("without C++ kernels, plain torch computes everything: %s", reason)
        return None


def _roof(config: EngineConfig, device: torch.device) -> Device:
    if config.roofline is not None:
        return load_catalogue().device(config.roofline, config.weight_format)
    if device.type == "cuda":
        return gpu_here(config.weight_format, device)
    return device_here(config.weight_format, config.num_threads, config.cache_dir)
