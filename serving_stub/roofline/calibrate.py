"""Measures this processor, so that the roofline has its figures too.

Memory: the sum over an array that no cache holds. Peak: the product of two square matrices. Host link: a copy within
the same memory, which is what moving KV blocks to the host comes to here. Each is the best of a few readings, since
whatever else the machine does only ever slows one down.
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from serving_stub.fetch_model import cache_dir
from serving_stub.roofline.catalogue import NumberFormat, load_catalogue
from serving_stub.roofline.roof import Device

THIS_CPU = "this-cpu"
_DTYPES: Mapping[NumberFormat, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: numbers in the array, rows of the matrices, readings of each."""

    num_elements: int
    num_rows: int
    rounds: int


THOROUGH = Effort(num_elements=64 << 20, num_rows=1024, rounds=9)
QUICK = Effort(num_elements=16 << 20, num_rows=512, rounds=3)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured, a second: operations by number format, bytes read, bytes copied."""

    flops_per_s: Mapping[NumberFormat, float]
    bytes_per_s: float
    host_bytes_per_s: float

    def to_yaml(self, source: str) -> str:
        """A catalogue with this machine as its only device."""

        def figure(value: float) -> dict[str, object]:
            return {"value": float(f"{value:.4g}"), "source": "measured"}

        device = {
            f"{name}_{'tops' if name == 'int8' else 'tflops'}": figure(rate / 1e12)
            for name, rate in self.flops_per_s.items()
        }
        device["memory_gb_per_s"] = figure(self.bytes_per_s / 1e9)
        device["host_gb_per_s"] = figure(self.host_bytes_per_s / 1e9)
        document = {"sources": {"measured": source}, "devices": {THIS_CPU: device}}
        return yaml.safe_dump(document, sort_keys=False)


@torch.inference_mode()
def measure(effort: Effort) -> Calibration:
    """Measure with as many threads as torch has been given."""
    many = torch.ones(effort.num_elements)
    other = torch.empty_like(many)
    num_bytes = many.numel() * many.itemsize
    rates: dict[NumberFormat, float] = {}
    for name, dtype in _DTYPES.items():
        square = torch.ones(effort.num_rows, effort.num_rows, dtype=dtype)
        rates[name] = 2 * effort.num_rows**3 / _best(lambda square=square: square @ square, effort.rounds)  # type: ignore[misc]
    integers = torch.ones(effort.num_rows, effort.num_rows, dtype=torch.int8)
    rates["int8"] = 2 * effort.num_rows**3 / _best(lambda: torch._int_mm(integers, integers), effort.rounds)
    return Calibration(
        flops_per_s=rates,
        bytes_per_s=num_bytes / _best(many.sum, effort.rounds),
        host_bytes_per_s=num_bytes / _best(lambda: other.copy_(many), effort.rounds),
    )


def device_here(number_format: NumberFormat, num_threads: int, folder: Path | None = None) -> Device:
    """This processor: as it was calibrated, or else after a quick look now.

    Raises: SettingError if the file of the calibration cannot be read.
    """
    path = calibration_path(num_threads, folder)
    if path.exists():
        known = load_catalogue(path)
        if number_format in known.devices[THIS_CPU].peaks:
            return known.device(THIS_CPU, number_format)
    seen = measure(QUICK)
    return Device(THIS_CPU, seen.flops_per_s[number_format], seen.bytes_per_s, seen.host_bytes_per_s, None)


def calibration_path(num_threads: int, folder: Path | None = None) -> Path:
    """Where this processor's figures with so many threads are kept."""
    known = f"{processor()}\0{num_threads}"
    return (folder or cache_dir()) / f"device-{hashlib.sha256(known.encode()).hexdigest()[:16]}.yaml"


def processor() -> str:
    """The processor's name as the kernel knows it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _best(call: Callable[[], object], rounds: int) -> float:
    def timed() -> float:
        started = time.perf_counter()
        call()
        return time.perf_counter() - started

    call()
    return min(timed() for _ in range(rounds))
