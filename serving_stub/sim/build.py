"""Puts a simulated engine together from a cluster's sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields

from serving_stub.engine.config import EngineConfig
from serving_stub.engine.engine import Engine
from serving_stub.fleet.cluster_spec import ClusterSizes
from serving_stub.model.config import ModelConfig
from serving_stub.model.shape import ModelShape
from serving_stub.model.tiny import tokenizer_tables
from serving_stub.model.tokenizer import Tokenizer
from serving_stub.roofline.catalogue import ELEMENT_BYTES
from serving_stub.sim.calibration import FittedCost
from serving_stub.sim.runner import SimulatedRunner, StepCost


def build_simulated(
    sizes: ClusterSizes,
    now: Callable[[], float],
    pass_time: Callable[[float], None],
    *,
    fixed_s: float = 0.0,
    prefill_s: float = 0.0,
) -> tuple[Engine, SimulatedRunner]:
    """An engine of *sizes*, and its runner, which lets *pass_time* pass.

    Text is bytes, whatever the model's vocabulary.

    Args:
        now: seconds, by the clock that *pass_time* moves.
        fixed_s: what a step costs beyond its roof.
        prefill_s: what one that reads prompts costs beside.
    """
    cost = StepCost(
        sizes.model,
        sizes.device,
        ELEMENT_BYTES[sizes.weight_format],
        ELEMENT_BYTES[sizes.kv_format],
        fixed_s,
        prefill_s,
    )
    config = EngineConfig(
        model="tiny",
        device="cpu",
        max_num_seqs=sizes.max_num_seqs,
        max_num_batched_tokens=sizes.max_num_batched_tokens,
        block_size=sizes.block_size,
        num_blocks=sizes.num_blocks,
        max_model_len=sizes.max_model_len,
    )
    tokenizer = Tokenizer(tokenizer_tables())
    letters = tuple(tokenizer.encode("abcdefghijklmnopqrstuvwxyz "))
    runner = SimulatedRunner(cost, sizes.block_size, pass_time, letters)
    engine = Engine(
        config,
        _config_of(sizes),
        runner,
        tokenizer,
        clock=now,
        device=sizes.device,
        weight_bytes=cost.weight_bytes,
        kv_bytes=cost.kv_bytes,
    )
    return engine, runner


def sizes_like(real: Engine, cost: FittedCost) -> ClusterSizes:
    """The sizes of a simulation of *real*: its model and settings, on a device that steps as *cost* says."""
    config, device = real.config, cost.device(real.device.name)
    return ClusterSizes(
        gpu=device.name,
        num_gpus=1,
        efficiency=1.0,
        model=ModelShape(**{one.name: getattr(real.model_config, one.name) for one in fields(ModelShape)}),
        device=device,
        weight_format=config.weight_format,
        kv_format=config.dtype,
        max_num_seqs=config.max_num_seqs,
        max_num_batched_tokens=config.max_num_batched_tokens,
        block_size=config.block_size,
        num_blocks=config.num_pool_blocks,
        max_model_len=real.max_model_len,
        weight=1.0,
    )


def _config_of(sizes: ClusterSizes) -> ModelConfig:
    # How positions are turned and norms are kept from zero is nothing to a runner that computes nothing.
    return ModelConfig(**asdict(sizes.model), rope_base=10_000.0, norm_eps=1e-5, max_model_len=sizes.max_model_len)
