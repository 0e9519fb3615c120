"""Reads the roofline catalogue: what devices can do and what models are made of, each figure with its source.

The file is the one that the server's roofline reads, `serving_stub/roofline/catalogue.yaml`, or one of its form; it is
read by its path, since the bot knows the server only from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from opsbot.errors import ConfigError
from opsbot.yamlfile import load, suggest, validate

NumberFormat = Literal["fp32", "bf16", "fp8", "int8"]
ELEMENT_BYTES: Mapping[NumberFormat, int] = {"fp32": 4, "bf16": 2, "fp8": 1, "int8": 1}

_Count = Annotated[int, Field(ge=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Figure(_Strict):
    value: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    source: str


class _DeviceWire(_Strict):
    fp32_tflops: _Figure | None = None
    bf16_tflops: _Figure | None = None
    fp8_tflops: _Figure | None = None
    int8_tops: _Figure | None = None
    memory_gb_per_s: _Figure
    memory_gb: _Figure | None = None
    host_gb_per_s: _Figure


class _ModelWire(_Strict):
    source: str
    num_layers: _Count
    hidden_size: _Count
    num_heads: _Count
    num_kv_heads: _Count
    head_dim: _Count
    ffn_size: _Count
    vocab_size: _Count
    is_head_tied: bool


class _CatalogueWire(_Strict):
    sources: dict[str, str]
    devices: dict[str, _DeviceWire] = {}
    models: dict[str, _ModelWire] = {}


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator. `flops_per_s` by number format, dense; `memory_bytes` is None where it is not its own."""

    name: str
    flops_per_s: Mapping[NumberFormat, float]
    bytes_per_s: float
    memory_bytes: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Model:
    """What a model weighs and computes; norms and biases, less than a thousandth of the rest, are left out.

    Source: Pope et al. 2022, "Efficiently Scaling Transformer Inference", section 2.

    Args:
        num_layer_parameters: weights that every token of a step is multiplied with.
        num_head_parameters: weights of the head, for tokens whose logits are wanted.
        num_parameters: all that memory must hold.
        kv_elements: keys and values that one token leaves in the cache.
        attention_flops: operations by which one token looks at one other.
    """

    name: str
    num_layer_parameters: int
    num_head_parameters: int
    num_parameters: int
    kv_elements: int
    attention_flops: float
    source: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Devices and models by name."""

    path: str
    devices: Mapping[str, Device]
    models: Mapping[str, Model]

    def device(self, name: str, number_format: NumberFormat) -> Device:
        """A device that computes in *number_format*.

        Raises: ConfigError if it is not there, or has no figure for that format.
        """
        found = self.devices.get(name)
        if found is None:
            raise ConfigError(self._unknown("device", name, self.devices))
        if number_format not in found.flops_per_s:
            known = ", ".join(found.flops_per_s)
            raise ConfigError(f"{self.path}: device {name!r} has no figure for {number_format}, only for {known}")
        return found

    def model(self, name: str) -> Model:
        """A model.

        Raises: ConfigError if it is not there.
        """
        found = self.models.get(name)
        if found is None:
            raise ConfigError(self._unknown("model", name, self.models))
        return found

    def served_model(self, served_name: str) -> Model | None:
        """The model that a server calls *served_name*: `meta-llama/Llama-3.1-8B-Instruct` is `llama-3.1-8b`.

        The longest name that the served one begins with; None if there is none.
        """
        wanted = served_name.rsplit("/", 1)[-1].lower().removeprefix("meta-")
        near = [name for name in self.models if wanted == name or wanted.startswith(f"{name}-")]
        return self.models[max(near, key=len)] if near else None

    def _unknown(self, kind: str, name: str, known: Iterable[str]) -> str:
        names = sorted(known)
        return f"{self.path}: no {kind} {name!r}{suggest(name, names)}; known: {', '.join(names)}"


def load_catalogue(path: Path) -> Catalogue:
    """Read *path*.

    Raises: ConfigError with every problem as file:line:column: message.
    """
    document, problems = load(path)
    wire = None
    if document is not None:
        wire, more = validate(document, _CatalogueWire)
        problems = [*problems, *more]
    if document is None or wire is None or problems:
        lines = tuple(str(problem) for problem in problems)
        raise ConfigError("the roofline catalogue cannot be used; `capacity.catalogue` in opsbot.yaml names it", lines)
    for place, source in _sources(wire):
        if source not in wire.sources:
            problem = document.problem(place, f"`sources` has no {source!r}{suggest(source, wire.sources)}")
            raise ConfigError("the roofline catalogue cannot be used", (str(problem),))
    devices = {name: _device(name, entry, wire.sources) for name, entry in wire.devices.items()}
    models = {name: _model(name, entry, wire.sources) for name, entry in wire.models.items()}
    return Catalogue(str(path), devices, models)


def _sources(wire: _CatalogueWire) -> Iterable[tuple[tuple[str, ...], str]]:
    for name, device in wire.devices.items():
        for field, figure in device:
            if isinstance(figure, _Figure):
                yield ("devices", name, field, "source"), figure.source
    for name, model in wire.models.items():
        yield ("models", name, "source"), model.source


def _device(name: str, entry: _DeviceWire, sources: Mapping[str, str]) -> Device:
    given = (entry.fp32_tflops, entry.bf16_tflops, entry.fp8_tflops, entry.int8_tops)
    peaks: dict[NumberFormat, float] = {
        number_format: figure.value * 1e12
        for number_format, figure in zip(get_args(NumberFormat), given, strict=True)
        if figure is not None
    }
    memory_bytes = None if entry.memory_gb is None else entry.memory_gb.value * 1e9
    bandwidth = entry.memory_gb_per_s
    return Device(name, peaks, bandwidth.value * 1e9, memory_bytes, sources[bandwidth.source])


def _model(name: str, entry: _ModelWire, sources: Mapping[str, str]) -> Model:
    attention = entry.hidden_size * entry.head_dim * (2 * entry.num_heads + 2 * entry.num_kv_heads)
    layers = entry.num_layers * (attention + 3 * entry.hidden_size * entry.ffn_size)
    head = entry.vocab_size * entry.hidden_size
    return Model(
        name=name,
        num_layer_parameters=layers,
        num_head_parameters=head,
        num_parameters=layers + head * (1 if entry.is_head_tied else 2),
        kv_elements=2 * entry.num_layers * entry.num_kv_heads * entry.head_dim,
        attention_flops=4.0 * entry.num_heads * entry.head_dim * entry.num_layers,
        source=sources[entry.source],
    )
