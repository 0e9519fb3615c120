"""Loads a model by name: the real one from its file, or the tiny seeded one that tests use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch

from serving_stub.errors import SettingError
from serving_stub.fetch_model import model_path
from serving_stub.model import tiny
from serving_stub.model.attention import CPU
from serving_stub.model.config import ModelConfig
from serving_stub.model.gguf import GgufFile, State
from serving_stub.model.native.kernels import Kernels
from serving_stub.model.quantized import to_int8
from serving_stub.model.smooth import smooth
from serving_stub.model.tokenizer import Tokenizer
from serving_stub.model.transformer import Transformer

ModelName = Literal["smollm2", "tiny"]
DtypeName = Literal["bf16", "fp32"]
DeviceName = Literal["auto", "cpu", "cuda"]
KernelChoice = Literal["auto", "off"]
Quantization = Literal["int8"]

DTYPES: Mapping[DtypeName, torch.dtype] = {"bf16": torch.bfloat16, "fp32": torch.float32}


def load_model(
    name: ModelName,
    dtype: DtypeName = "bf16",
    *,
    seed: int = 0,
    cache_dir: Path | None = None,
    kernels: Kernels | None = None,
    quantization: Quantization | None = None,
    device: torch.device = CPU,
) -> tuple[Transformer, Tokenizer]:
    """A model and its tokenizer; *seed* makes the weights of `tiny`, *cache_dir* holds the file of `smollm2`.

    Raises: ModelFileMissing, naming the command that fetches the file; SettingError if the device cannot do what is
        asked.
    """
    if quantization is not None and device.type != "cpu":
        raise SettingError(f"quantization {quantization} is only made for the CPU; leave it out, or set device to cpu")
    if name == "tiny":
        config, state, tokenizer = tiny.CONFIG, tiny.state(seed), Tokenizer(tiny.tokenizer_tables())
    else:
        file = GgufFile(model_path(cache_dir))
        config = file.config("SmolLM2-135M-Instruct")
        state = file.state(DTYPES[dtype] if quantization is None else torch.float32)
        tokenizer = Tokenizer(file.tokenizer_tables())
    if quantization is None:
        return Transformer(config, state, DTYPES[dtype], kernels, device=device), tokenizer
    return int8_transformer(config, state, tokenizer, dtype, kernels), tokenizer


def int8_transformer(
    config: ModelConfig, state: State, tokenizer: Tokenizer, dtype: DtypeName, kernels: Kernels | None
) -> Transformer:
    """The model with products in 8-bit integers, all else in *dtype*."""
    smoothed = smooth(config, state, tokenizer)
    return Transformer(config, smoothed, DTYPES[dtype], kernels, multiply=lambda matrix: to_int8(matrix, kernels))
