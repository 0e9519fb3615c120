"""Measures this processor or GPU, so that the roofline has its figures too.

Memory: the sum over an array that no cache holds. Peak: the product of two square matrices. Host link: what moving KV
blocks to the host comes to, on a CPU a copy within the same memory. Each is the best of a few readings, since whatever
else the machine does only ever slows one down.
"""

from __future__ import annotations

import hashlib
import platform
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from serving_stub.fetch_model import cache_dir
from serving_stub.roofline.catalogue import NumberFormat, load_catalogue
from serving_stub.roofline.roof import Device

THIS_CPU = "this-cpu"
CPU = torch.device("cpu")
_DTYPES: Mapping[NumberFormat, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: numbers in the array, rows of the matrices, readings of each."""

    num_elements: int
    num_rows: int
    rounds: int


THOROUGH = Effort(num_elements=64 << 20, num_rows=1024, rounds=9)
ON_GPU = Effort(num_elements=256 << 20, num_rows=8192, rounds=9)
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
def measure(effort: Effort, device: torch.device = CPU) -> Calibration:
    """Measure with as many threads as torch has been given."""

    def best(call: Callable[[], object]) -> float:
        return _best(call, effort.rounds, device)

    many = torch.ones(effort.num_elements, device=device)
    host = torch.empty(effort.num_elements, pin_memory=device.type == "cuda")
    num_bytes = many.numel() * many.itemsize
    rates: dict[NumberFormat, float] = {}
    for name, dtype in _DTYPES.items():
        square = torch.ones(effort.num_rows, effort.num_rows, dtype=dtype, device=device)
        rates[name] = 2 * effort.num_rows**3 / best(lambda square=square: square @ square)  # type: ignore[misc]
    integers = torch.ones(effort.num_rows, effort.num_rows, dtype=torch.int8, device=device)
    rates["int8"] = 2 * effort.num_rows**3 / best(lambda: torch._int_mm(integers, integers))
    return Calibration(
        flops_per_s=rates,
        bytes_per_s=num_bytes / best(many.sum),
        host_bytes_per_s=num_bytes / best(lambda: host.copy_(many, non_blocking=True)),
    )


def gpu_here(number_format: NumberFormat, device: torch.device) -> Device:
    """The GPU as the catalogue knows it, or as it is measured now where the catalogue does not."""
    name = torch.cuda.get_device_name(device)
    catalogue = load_catalogue()
    known = known_as(name, catalogue.devices)
    if known is not None:
        return catalogue.device(known, number_format)
    seen = measure(ON_GPU, device)
    memory = torch.cuda.get_device_properties(device).total_memory
    return Device(name, seen.flops_per_s[number_format], seen.bytes_per_s, seen.host_bytes_per_s, float(memory))


def known_as(gpu_name: str, devices: Iterable[str]) -> str | None:
    """What the catalogue calls a GPU that calls itself *gpu_name*, such as `NVIDIA H100 80GB HBM3`; None if nothing."""
    words = re.split(r"[^a-z0-9]+", gpu_name.lower())
    return next((device for device in devices if device in words), None)


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


def _best(call: Callable[[], object], rounds: int, device: torch.device) -> float:
    def timed() -> float:
        started = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - started

    timed()
    return min(timed() for _ in range(rounds))
