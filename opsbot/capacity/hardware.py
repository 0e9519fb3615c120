"""What is known of the hardware under each engine: from its own samples first, else from the catalogue."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from opsbot.capacity.catalogue import ELEMENT_BYTES, Catalogue, Model, NumberFormat

Key = tuple[str, str, str, str]
"""Of one engine's samples: cluster, instance, model and engine."""

_CACHE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "half": 2, "bf16": 2, "fp32": 4, "int8": 1}


@dataclass(frozen=True, slots=True)
class Figures:
    """What the settings say. `device` and `max_num_seqs`, the batch limit, are for samples that do not name theirs."""

    catalogue: Catalogue | None
    number_format: NumberFormat
    device: str | None = None
    max_num_seqs: int | None = None


@dataclass(frozen=True, slots=True)
class Peaks:
    """What a device does at best. `flops_per_s` is None where the catalogue has no figure for the format."""

    name: str
    bytes_per_s: float
    flops_per_s: float | None


@dataclass(frozen=True, slots=True)
class Hardware:
    """By engine.

    Args:
        devices: their names.
        flops_per_s, bytes_per_s: peaks that a server states itself, as ours does: measured where it runs on a
            processor, which is in no catalogue.
        caches: labels of the KV cache's settings.
    """

    figures: Figures
    devices: Mapping[Key, str]
    flops_per_s: Mapping[Key, float]
    bytes_per_s: Mapping[Key, float]
    caches: Mapping[Key, Mapping[str, str]]

    def peaks(self, key: Key) -> Peaks | str:
        """What its device does at best, or why that is not known."""
        name = self.devices.get(key) or self.figures.device
        flops_per_s, bytes_per_s = self.flops_per_s.get(key, 0.0), self.bytes_per_s.get(key, 0.0)
        if flops_per_s > 0 and bytes_per_s > 0:
            return Peaks(name or "the device", bytes_per_s, flops_per_s)
        if name is None:
            return "no `serving_device_info`; set capacity.device"
        if self.figures.catalogue is None:
            return "no catalogue; set capacity.catalogue"
        found = self.figures.catalogue.devices.get(name)
        if found is None:
            return f"device {name} is not in the catalogue"
        return Peaks(name, found.bytes_per_s, found.flops_per_s.get(self.figures.number_format))

    def model(self, key: Key) -> Model | None:
        """The catalogue's model that it serves."""
        return self.figures.catalogue.served_model(key[2]) if self.figures.catalogue else None

    def headroom_bytes(self, key: Key, usage: float) -> float | None:
        """Free KV cache; None where blocks, model or format are not known."""
        cache, model = self.caches.get(key), self.model(key)
        if cache is None or model is None or math.isnan(usage):
            return None
        dtype = cache.get("cache_dtype", "auto").removeprefix("torch.")
        element = ELEMENT_BYTES[self.figures.number_format] if dtype == "auto" else _CACHE_BYTES.get(dtype)
        element = 1 if dtype.startswith("fp8") else element
        try:
            tokens = int(cache["num_gpu_blocks"]) * int(cache["block_size"])
        except (KeyError, ValueError):
            return None
        return None if element is None else (1 - usage) * tokens * model.kv_elements * element
