"""How many GPUs a demand needs, by the roofline, as a band.

A request is read (prefill: arithmetic) and answered (decode: every step reads all weights once, and each row's keys
and values). What a replica can answer at best follows from the device's figures; what it does answer is a share of
that, the efficiency. Demand, lengths, peak-to-mean and efficiency multiply, so the answer is a log-normal band.

Source: Pope et al. 2022, "Efficiently Scaling Transformer Inference", section 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from opsbot.capacity.catalogue import ELEMENT_BYTES, Device, Model, NumberFormat
from opsbot.capacity.lognormal import LogNormal
from opsbot.errors import ConfigError

MEMORY_SHARE = 0.9
"""Share of a device's memory for weights and KV cache together: vLLM's default `gpu_memory_utilization`."""
MAX_GPUS_OF_REPLICA = 8
"""One node; past that the links between nodes count, which are not modelled."""

DecidedBy = Literal["compute", "bandwidth", "KV"]


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked for. `per_min` counts requests, or with `is_tokens` prompt and answer tokens together."""

    per_min: LogNormal
    is_tokens: bool
    prompt_tokens: LogNormal
    answer_tokens: LogNormal
    peak_to_mean: LogNormal


@dataclass(frozen=True, slots=True)
class Replica:
    """One copy of a model on *num_gpus* devices, whose memory, bandwidth and arithmetic are pooled.

    Args:
        batch_limit: the most sequences of one step.
    """

    model: Model
    device: Device
    number_format: NumberFormat
    num_gpus: int
    batch_limit: int

    @property
    def flops_per_s(self) -> float:
        """Operations a second of all its devices."""
        return self.num_gpus * self.device.flops_per_s[self.number_format]

    @property
    def bytes_per_s(self) -> float:
        """Bytes a second of all its devices."""
        return self.num_gpus * self.device.bytes_per_s

    @property
    def ridge(self) -> float:
        """Operations per byte at which memory and arithmetic take equally long."""
        return self.flops_per_s / self.bytes_per_s

    @property
    def kv_bytes_per_token(self) -> int:
        """Keys and values of one token."""
        return self.model.kv_elements * ELEMENT_BYTES[self.number_format]

    @property
    def kv_tokens(self) -> float:
        """Tokens whose keys and values fit beside the weights; infinite where the device states no memory."""
        if self.device.memory_bytes is None:
            return math.inf
        weights = self.model.num_parameters * ELEMENT_BYTES[self.number_format]
        left = self.num_gpus * self.device.memory_bytes * MEMORY_SHARE - weights
        return max(0.0, left / self.kv_bytes_per_token)

    def step_flops(self, batch: float, context: float) -> float:
        """Operations of a decode step of *batch* rows with *context* tokens each."""
        products = 2.0 * (self.model.num_layer_parameters + self.model.num_head_parameters)
        return batch * (products + self.model.attention_flops * context)

    def step_bytes(self, batch: float, context: float) -> float:
        """Bytes that it moves."""
        weights = self.model.num_layer_parameters + self.model.num_head_parameters
        return weights * ELEMENT_BYTES[self.number_format] + batch * (context + 1) * self.kv_bytes_per_token

    def prefill_s(self, prompt_tokens: float) -> float:
        """Seconds of arithmetic to read a prompt; prompts are read together, so weights are not counted again."""
        look_back = self.model.attention_flops * prompt_tokens / 2
        flops = prompt_tokens * (2.0 * self.model.num_layer_parameters + look_back)
        return flops / self.flops_per_s


@dataclass(frozen=True, slots=True)
class Rate:
    """What one replica does at best when it is full.

    Args:
        requests_per_s: answered.
        batch: rows of a decode step.
        intensity: operations per byte of that step.
        prefill_share: share of the time that goes into reading prompts.
    """

    requests_per_s: float
    batch: float
    intensity: float
    prefill_share: float
    decided_by: DecidedBy
    is_above_ridge: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer.

    Args:
        gpus: how many, before rounding up to whole replicas.
        spreads: by factor, how far it alone widens the band (1 where it is known), widest first.
    """

    gpus: LogNormal
    replica: Replica
    rate: Rate
    demand: Demand
    efficiency: LogNormal
    spreads: Mapping[str, float] = field(default_factory=dict)

    def whole(self, gpus: float) -> int:
        """*gpus* in whole replicas."""
        return self.replica.num_gpus * max(1, math.ceil(gpus / self.replica.num_gpus - 1e-9))


def smallest_replica(model: Model, device: Device, number_format: NumberFormat, batch_limit: int) -> Replica:
    """The fewest GPUs of one node, a power of two, that hold the weights and a tenth as much KV beside them.

    Raises: ConfigError if a node is too small.
    """
    num_gpus = 1
    while num_gpus <= MAX_GPUS_OF_REPLICA:
        replica = Replica(model, device, number_format, num_gpus, batch_limit)
        weights = model.num_parameters * ELEMENT_BYTES[number_format]
        if replica.kv_tokens * replica.kv_bytes_per_token >= weights / 10:
            return replica
        num_gpus *= 2
    raise ConfigError(
        f"{model.name} in {number_format} does not fit on {MAX_GPUS_OF_REPLICA} {device.name}; "
        "choose a smaller format or a device with more memory"
    )


def rate(replica: Replica, prompt_tokens: float, answer_tokens: float) -> Rate:
    """What a full *replica* does with such requests.

    Raises: ConfigError if not one of them fits.
    """
    context = prompt_tokens + answer_tokens / 2
    that_fit = replica.kv_tokens / (prompt_tokens + answer_tokens / 2)
    if that_fit < 1:
        raise ConfigError(
            f"a sequence of {prompt_tokens + answer_tokens:,.0f} tokens does not fit beside {replica.model.name} on "
            f"{replica.num_gpus} {replica.device.name}; give the replica more GPUs with --gpus-per-replica"
        )
    batch = min(replica.batch_limit, that_fit)
    flops, num_bytes = replica.step_flops(batch, context), replica.step_bytes(batch, context)
    step_s = max(flops / replica.flops_per_s, num_bytes / replica.bytes_per_s)
    decode_s, prefill_s = answer_tokens * step_s / batch, replica.prefill_s(prompt_tokens)
    is_above = flops / num_bytes >= replica.ridge
    decided_by: DecidedBy = "bandwidth"
    if is_above or prefill_s > decode_s:
        decided_by = "compute"
    elif that_fit < replica.batch_limit:
        decided_by = "KV"
    return Rate(
        requests_per_s=1 / (prefill_s + decode_s),
        batch=batch,
        intensity=flops / num_bytes,
        prefill_share=prefill_s / (prefill_s + decode_s),
        decided_by=decided_by,
        is_above_ridge=is_above,
    )


def plan(replica: Replica, demand: Demand, efficiency: LogNormal) -> Plan:
    """GPUs for *demand* when replicas reach *efficiency*, a share of what the roofline allows.

    Each factor's part in the band is its own spread times how strongly the answer follows it, taken at the medians.

    Raises: ConfigError if not even one typical request fits.
    """

    def gpus(prompt: float, answer: float) -> float:
        per_request = prompt + answer if demand.is_tokens else 1.0
        return replica.num_gpus / (60 * per_request * rate(replica, prompt, answer).requests_per_s)

    prompt, answer = demand.prompt_tokens, demand.answer_tokens
    sigmas = {
        "demand": demand.per_min.sigma,
        "peak to mean": demand.peak_to_mean.sigma,
        "efficiency": efficiency.sigma,
        "prompt length": prompt.sigma * _steepness(lambda length: gpus(length, answer.median), prompt.median),
        "answer length": answer.sigma * _steepness(lambda length: gpus(prompt.median, length), answer.median),
    }
    factors = demand.per_min * demand.peak_to_mean / efficiency
    middle = factors.mu + math.log(gpus(prompt.median, answer.median))
    spreads = {name: LogNormal(0.0, abs(sigma)).spread for name, sigma in sigmas.items()}
    return Plan(
        gpus=LogNormal(middle, math.hypot(*sigmas.values())),
        replica=replica,
        rate=rate(replica, prompt.median, answer.median),
        demand=demand,
        efficiency=efficiency,
        spreads=dict(sorted(spreads.items(), key=lambda item: -item[1])),
    )


def with_gpus(replica: Replica, num_gpus: int) -> Replica:
    """The same on so many GPUs."""
    return replace(replica, num_gpus=num_gpus)


def _steepness(function: Callable[[float], float], at: float) -> float:
    """How many percent *function* changes when its argument grows by one percent."""
    step = 0.05
    higher, lower = function(at * (1 + step)), function(at * (1 - step))
    return math.log(higher / lower) / math.log((1 + step) / (1 - step))
