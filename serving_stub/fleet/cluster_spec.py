"""One cluster's sizes: what its GPUs come to together, and what of its model fits into them.

GPUs of a cluster share one model by tensor parallelism: each holds its part of the weights and of every token's keys
and values. So memory adds up in full, while bandwidth and arithmetic add up times an efficiency, which stands for what
kernels and the exchange between GPUs cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from serving_stub.fleet.fleet_file import ClusterRow, Sizes
from serving_stub.model.shape import ModelShape
from serving_stub.roofline.capacity import GPU_MEMORY_UTILIZATION, Served
from serving_stub.roofline.catalogue import ELEMENT_BYTES, Catalogue, NumberFormat
from serving_stub.roofline.roof import Device
from serving_stub.yamlfile import suggest

EFFICIENCY = 0.7
"""A round assumption, not a measurement; who has measured steps of his own clusters should state theirs."""

TYPICAL_CONTEXT = 1000
"""Tokens in the cache per request at which capacities of clusters are compared."""

_GB = 1e9


@dataclass(frozen=True, slots=True)
class ClusterSizes:
    """What a cluster is made of and set to; engine names are vLLM's.

    Args:
        num_gpus: that share one model by tensor parallelism.
        device: all GPUs as one: memory × num_gpus, bandwidth, arithmetic and host link × num_gpus × efficiency.
        num_blocks: KV blocks of block_size tokens.
        weight: for the router; 0 takes no traffic while others have more.
    """

    gpu: str
    num_gpus: int
    efficiency: float
    model: ModelShape
    device: Device
    weight_format: NumberFormat
    kv_format: NumberFormat
    max_num_seqs: int
    max_num_batched_tokens: int
    block_size: int
    num_blocks: int
    max_model_len: int
    weight: float


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """A cluster by name.

    Args:
        countries: ISO 3166 codes of those it is home to.
        door, tenants: files of its front door, where it has its own.
    """

    name: str
    region: str
    countries: tuple[str, ...]
    sizes: ClusterSizes
    door: Path | None = None
    tenants: Path | None = None

    @property
    def model(self) -> ModelShape:
        return self.sizes.model

    @property
    def weight(self) -> float:
        return self.sizes.weight

    @property
    def served(self) -> Served:
        """For the roofline."""
        sizes = self.sizes
        return Served(sizes.model, sizes.device, ELEMENT_BYTES[sizes.weight_format], ELEMENT_BYTES[sizes.kv_format])

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV cache holds."""
        return self.sizes.num_blocks * self.sizes.block_size

    @property
    def capacity_tokens_per_s(self) -> float:
        """Tokens a second that it decodes at best, with as many typical requests as batch limit and KV cache allow."""
        batch = min(self.sizes.max_num_seqs, self.kv_tokens / TYPICAL_CONTEXT)
        return batch / self.served.decode_s(batch, TYPICAL_CONTEXT)

    def requests_per_s(self, prompt_tokens: float, answer_tokens: float) -> float:
        """Requests of that length that it finishes a second at best: prefill and decode one after the other.

        A bound from the roofline; queues, preemption and the prefix cache are left out.
        """
        prefill_s = self.served.recompute_s(math.ceil(prompt_tokens))
        return 1.0 / (prefill_s + answer_tokens / self.capacity_tokens_per_s)


@dataclass(frozen=True, slots=True)
class Sized:
    """Sizes, or why there are none: the field that is wrong, and the message."""

    sizes: ClusterSizes | None
    problems: tuple[tuple[str, str], ...] = ()


def size_cluster(row: ClusterRow, defaults: Sizes, catalogue: Catalogue) -> Sized:
    """All sizes of a cluster: its own, else the file's defaults, else the usual ones."""
    written = _merge(row, defaults)
    gpu, model_name = written.gpu, written.model
    problems = [
        (field, f"{row.name}: the key {field!r} is missing, here and in defaults")
        for field in ("gpu", "model")
        if getattr(written, field) is None
    ]
    if gpu is not None and gpu not in catalogue.devices:
        problems.append(("gpu", f"gpu: unknown GPU {gpu!r}{_known(gpu, catalogue.devices)}"))
    if model_name is not None and model_name not in catalogue.models:
        problems.append(("model", f"model: unknown model {model_name!r}{_known(model_name, catalogue.models)}"))
    if gpu is None or model_name is None or problems:
        return Sized(None, tuple(problems))
    weight_format: NumberFormat = written.weight_format or "bf16"
    peaks = catalogue.devices[gpu].peaks
    if weight_format not in peaks:
        return Sized(
            None,
            (("weight_format", f"weight_format: {gpu} has no peak in {weight_format}, only in {', '.join(peaks)}"),),
        )
    one = catalogue.device(gpu, weight_format)
    if one.memory_bytes is None:
        return Sized(None, (("gpu", f"gpu: the catalogue does not say how much memory {gpu!r} has"),))
    return _fit(row.name, written, gpu, one, one.memory_bytes, catalogue.model(model_name), weight_format)


def _fit(
    name: str,
    written: Sizes,
    gpu: str,
    one: Device,
    memory_bytes: float,
    model: ModelShape,
    weight_format: NumberFormat,
) -> Sized:
    num_gpus = written.num_gpus or 1
    if model.num_kv_heads % num_gpus:
        most = ", ".join(str(number) for number in _splits(model))
        return Sized(
            None,
            (
                (
                    "num_gpus",
                    f"num_gpus: {name}: {num_gpus} GPUs cannot share the {model.num_kv_heads} KV heads of {model.name} "
                    f"evenly; take {most}",
                ),
            ),
        )
    efficiency = written.efficiency or EFFICIENCY
    utilization = written.gpu_memory_utilization or GPU_MEMORY_UTILIZATION
    kv_format: NumberFormat = written.kv_format or "bf16"
    block_size = written.block_size or 16
    max_num_seqs = written.max_num_seqs or 256
    batched = written.max_num_batched_tokens or max(2048, max_num_seqs)
    max_model_len = written.max_model_len or 4096
    device = Device(
        name=gpu if num_gpus == 1 else f"{num_gpus} × {gpu}",
        flops_per_s=one.flops_per_s * num_gpus * efficiency,
        bytes_per_s=one.bytes_per_s * num_gpus * efficiency,
        host_bytes_per_s=one.host_bytes_per_s * num_gpus * efficiency,
        memory_bytes=memory_bytes * num_gpus,
    )
    weight_bytes = model.num_parameters * ELEMENT_BYTES[weight_format]
    token_bytes = model.kv_bytes_per_token(ELEMENT_BYTES[kv_format])
    room = memory_bytes * num_gpus * utilization
    needed = weight_bytes + math.ceil(max_model_len / block_size) * block_size * token_bytes
    has = f"{device.name} gives {room / _GB:.1f} GB ({utilization:g} of {memory_bytes * num_gpus / _GB:g})"
    if room < needed:
        what = (
            f"{model.name} in {weight_format} needs {weight_bytes / _GB:.1f} GB"
            if room < weight_bytes
            else f"{model.name} in {weight_format} and one request of max_model_len {max_model_len} need "
            f"{needed / _GB:.1f} GB"
        )
        missing = (weight_bytes if room < weight_bytes else needed) - room
        enough = [number for number in _splits(model) if number * memory_bytes * utilization >= needed]
        advice = f"num_gpus: {enough[0]} is enough" if enough else "take a smaller model or weight_format"
        return Sized(
            None, (("model", f"model: {name}: {what}, and {has}: {missing / _GB:.1f} GB too little; {advice}"),)
        )
    served = Served(model, device, ELEMENT_BYTES[weight_format], ELEMENT_BYTES[kv_format])
    fitting = (served.kv_tokens(utilization) or 0) // block_size
    num_blocks = written.num_blocks or fitting
    problems: list[tuple[str, str]] = []
    if num_blocks > fitting:
        extra = (num_blocks - fitting) * block_size * token_bytes
        problems.append(
            (
                "num_blocks",
                f"num_blocks: {name}: {num_blocks} blocks of {block_size} tokens are {extra / _GB:.1f} GB too many; "
                f"beside the weights {fitting} fit",
            )
        )
    elif num_blocks * block_size < max_model_len:
        problems.append(
            (
                "num_blocks",
                f"num_blocks: {name}: {num_blocks} blocks of {block_size} tokens do not hold one request of "
                f"max_model_len {max_model_len}",
            )
        )
    if batched < max_num_seqs:
        problems.append(
            (
                "max_num_batched_tokens",
                f"max_num_batched_tokens: {name}: {batched} is below max_num_seqs ({max_num_seqs}), and each running "
                "sequence decodes a token a step",
            )
        )
    if problems:
        return Sized(None, tuple(problems))
    return Sized(
        ClusterSizes(
            gpu=gpu,
            num_gpus=num_gpus,
            efficiency=efficiency,
            model=model,
            device=device,
            weight_format=weight_format,
            kv_format=kv_format,
            max_num_seqs=max_num_seqs,
            max_num_batched_tokens=batched,
            block_size=block_size,
            num_blocks=num_blocks,
            max_model_len=max_model_len,
            weight=1.0 if written.weight is None else written.weight,
        )
    )


def _merge(row: ClusterRow, defaults: Sizes) -> Sizes:
    own = {name: getattr(row, name) for name in Sizes.model_fields}
    return defaults.model_copy(update={name: value for name, value in own.items() if value is not None})


def _splits(model: ModelShape) -> list[int]:
    """Numbers of GPUs that can share the model's KV heads evenly."""
    return [number for number in range(1, model.num_kv_heads + 1) if model.num_kv_heads % number == 0]


def _known(word: str, known: Iterable[str]) -> str:
    return f"{suggest(word, known)}; the catalogue has {', '.join(sorted(known))}"
