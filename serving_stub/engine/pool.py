"""How many KV blocks a pool gets: what was asked for, or on a GPU what its memory still holds after the weights."""

from __future__ import annotations

import torch

from serving_stub.engine.config import EngineConfig
from serving_stub.errors import SettingError
from serving_stub.model.load import DTYPES, DeviceName
from serving_stub.model.shape import ModelShape

ON_CPU = 1024
WORK_SPACE = 0.05
"""Share of a GPU's memory that a step's own tensors may take beside weights and pool."""


def to_device(name: DeviceName) -> torch.device:
    """The device that *name* means here.

    Raises: SettingError if it is a GPU and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingError(f"device is cuda, but torch {torch.__version__} finds no GPU here; use auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def num_blocks(config: EngineConfig, shape: ModelShape, device: torch.device) -> int:
    """The pool's size; ask it when the weights are on the device.

    Raises: SettingError if a GPU has no room for one longest sequence.
    """
    if config.num_blocks is not None:
        return config.num_blocks
    if device.type == "cpu":
        return ON_CPU
    free, total = torch.cuda.mem_get_info(device)
    block_bytes = config.block_size * shape.kv_bytes_per_token(DTYPES[config.dtype].itemsize)
    return blocks_that_fit(free, total, config, block_bytes)


def blocks_that_fit(free_bytes: int, total_bytes: int, config: EngineConfig, block_bytes: float) -> int:
    """Blocks for what is free of a GPU's memory, less what others and the step's work space keep.

    Raises: SettingError if one longest sequence does not fit.
    """
    kept = total_bytes * (1 - config.gpu_memory_utilization + WORK_SPACE)
    fit = int((free_bytes - kept) / block_bytes)
    needed = -(-config.max_model_len // config.block_size)
    if fit < needed:
        raise SettingError(
            f"the GPU has {free_bytes / 1e9:.1f} GB free after the weights, which is {max(0, fit)} KV blocks; one "
            f"sequence of max_model_len {config.max_model_len} needs {needed}; lower it, or raise "
            f"gpu_memory_utilization above {config.gpu_memory_utilization}"
        )
    return fit
