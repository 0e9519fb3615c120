"""The engine's settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from serving_stub.errors import SettingError
from serving_stub.model.load import DeviceName, DtypeName, KernelChoice, ModelName, Quantization
from serving_stub.roofline.catalogue import NumberFormat


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Names and meanings are vLLM's where it has them.

    Args:
        device: where the model and its KV cache live; `auto` takes a GPU where there is one.
        quantization: `int8` multiplies in 8-bit integers, all else stays in dtype; None in dtype throughout.
        max_num_seqs: the largest batch; also the base value of the batch limit.
        max_num_batched_tokens: tokens of one step, prefill and decode together.
        num_blocks: KV blocks in the pool; together with block_size the whole KV capacity. None is
            1,024 on a CPU, and on a GPU as many as its free memory holds; whoever builds the engine fills it in.
        gpu_memory_utilization: share of a GPU's memory that weights, KV pool and work space may take together.
        num_swap_blocks: KV blocks in host memory for preempted sequences, used where that is sooner than recomputing.
        roofline: a device of the catalogue whose figures the engine goes by; None takes those of the device at hand.
        max_model_len: the longest prompt plus answer, tokens.
        num_threads: threads that compute one step together; more than there are idle cores makes each wait for all.
        kernels: `auto` uses the C++ kernels where they can be built and says so where not; `off` leaves all to torch.
        cache_dir: folder of the model file; None is the usual cache folder.

    Raises: SettingError if a size is not positive, or a step cannot hold one token of each running sequence.
    """

    model: ModelName = "smollm2"
    device: DeviceName = "auto"
    dtype: DtypeName = "bf16"
    quantization: Quantization | None = None
    max_num_seqs: int = 32
    max_num_batched_tokens: int = 256
    block_size: int = 16
    num_blocks: int | None = 1024
    gpu_memory_utilization: float = 0.9
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

    @property
    def num_pool_blocks(self) -> int:
        """`num_blocks` once it is known."""
        assert self.num_blocks is not None, "an engine is built with the pool's size filled in"
        return self.num_blocks

    def __post_init__(self) -> None:
        sizes = ("max_num_seqs", "max_num_batched_tokens", "block_size", "num_blocks", "max_model_len", "num_threads")
        for name in sizes:
            size = getattr(self, name)
            if size is not None and size < 1:
                raise SettingError(f"{name} is {size}, expected 1 or more")
        if not 0 < self.gpu_memory_utilization <= 1:
            raise SettingError(
                f"gpu_memory_utilization is {self.gpu_memory_utilization}, expected a share above 0 and at most 1"
            )
        if self.num_swap_blocks < 0:
            raise SettingError(f"num_swap_blocks is {self.num_swap_blocks}, expected 0 or more")
        if self.max_num_batched_tokens < self.max_num_seqs:
            raise SettingError(
                f"max_num_batched_tokens is {self.max_num_batched_tokens}, expected at least max_num_seqs "
                f"({self.max_num_seqs}), since each running sequence decodes a token a step; raise it or lower that"
            )
