"""The engine's settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from serving_stub.errors import SettingError
from serving_stub.model.load import DtypeName, KernelChoice, ModelName, Quantization
from serving_stub.roofline.catalogue import NumberFormat


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Names and meanings are vLLM's where it has them.

    Args:
        quantization: `int8` multiplies in 8-bit integers, all else stays in dtype; None in dtype throughout.
        max_num_seqs: the largest batch; also the base value of the batch limit.
        max_num_batched_tokens: tokens of one step, prefill and decode together.
        num_blocks: KV blocks in the pool; together with block_size the whole KV capacity.
        num_swap_blocks: KV blocks in host memory for preempted sequences, used where that is sooner than recomputing.
        roofline: a device of the catalogue whose figures the engine goes by; None takes this processor's.
        max_model_len: the longest prompt plus answer, tokens.
        num_threads: threads that compute one step together; more than there are idle cores makes each wait for all.
        kernels: `auto` uses the C++ kernels where they can be built and says so where not; `off` leaves all to torch.
        cache_dir: folder of the model file; None is the usual cache folder.

    Raises: SettingError if a size is not positive, or a step cannot hold one token of each running sequence.
    """

    model: ModelName = "smollm2"
    dtype: DtypeName = "bf16"
    quantization: Quantization | None = None
    max_num_seqs: int = 32
    max_num_batched_tokens: int = 256
    block_size: int = 16
    num_blocks: int = 1024
    num_swap_blocks: int = 0
    roofline: str | None = None
    max_model_len: int = 2048
    num_threads: int = 2
    seed: int = 0
    enable_prefix_caching: bool = True
    kernels: KernelChoice = "auto"
    cache_dir: Path | None = None

    @property
    def weight_format(self) -> NumberFormat:
        """The number format of the weights."""
        return self.quantization or self.dtype

    def __post_init__(self) -> None:
        sizes = ("max_num_seqs", "max_num_batched_tokens", "block_size", "num_blocks", "max_model_len", "num_threads")
        for name in sizes:
            if getattr(self, name) < 1:
                raise SettingError(f"{name} is {getattr(self, name)}, expected 1 or more")
        if self.num_swap_blocks < 0:
            raise SettingError(f"num_swap_blocks is {self.num_swap_blocks}, expected 0 or more")
        if self.max_num_batched_tokens < self.max_num_seqs:
            raise SettingError(
                f"max_num_batched_tokens is {self.max_num_batched_tokens}, expected at least max_num_seqs "
                f"({self.max_num_seqs}), since each running sequence decodes a token a step; raise it or lower that"
            )
