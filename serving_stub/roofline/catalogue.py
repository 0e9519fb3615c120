"""Reads catalogues of devices and models; every figure in them names its source.

The shipped one is `catalogue.yaml`; a file of the same form adds to it or replaces entries of it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from serving_stub.errors import SettingError
from serving_stub.model.shape import ModelShape
from serving_stub.roofline.roof import Device

NumberFormat = Literal["fp32", "bf16", "fp8", "int8"]
ELEMENT_BYTES: Mapping[NumberFormat, int] = {"fp32": 4, "bf16": 2, "fp8": 1, "int8": 1}
SHIPPED = Path(__file__).with_name("catalogue.yaml")

_Count = Annotated[int, Field(ge=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(_Strict):
    """A number and the key of its source."""

    value: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    source: str


class DeviceEntry(_Strict):
    """A device's figures; peaks are dense, the host link is one way."""

    fp32_tflops: Figure | None = None
    bf16_tflops: Figure | None = None
    fp8_tflops: Figure | None = None
    int8_tops: Figure | None = None
    memory_gb_per_s: Figure
    memory_gb: Figure | None = None
    host_gb_per_s: Figure

    @property
    def peaks(self) -> Mapping[NumberFormat, Figure]:
        """Tera-operations a second, by number format."""
        peaks: dict[NumberFormat, Figure | None] = {
            "fp32": self.fp32_tflops,
            "bf16": self.bf16_tflops,
            "fp8": self.fp8_tflops,
            "int8": self.int8_tops,
        }
        return {name: figure for name, figure in peaks.items() if figure is not None}

    def figures(self) -> Iterable[tuple[str, Figure]]:
        """Every figure by its field."""
        return ((name, figure) for name, figure in self if isinstance(figure, Figure))


class ModelEntry(_Strict):
    """A model's sizes; `source` holds for all of them."""

    source: str
    num_layers: _Count
    hidden_size: _Count
    num_heads: _Count
    num_kv_heads: _Count
    head_dim: _Count
    ffn_size: _Count
    vocab_size: _Count
    is_head_tied: bool


class _File(_Strict):
    sources: dict[str, str]
    devices: dict[str, DeviceEntry] = {}
    models: dict[str, ModelEntry] = {}

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        used = [
            (f"devices.{name}.{field}", one.source)
            for name, entry in self.devices.items()
            for field, one in entry.figures()
        ]
        used += [(f"models.{name}", entry.source) for name, entry in self.models.items()]
        for place, source in used:
            if source not in self.sources:
                raise ValueError(
                    f"{place} names the source '{source}', which `sources` does not have{_near(source, self.sources)}"
                )
        return self


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Devices and models by name."""

    sources: Mapping[str, str]
    devices: Mapping[str, DeviceEntry]
    models: Mapping[str, ModelEntry]

    def device(self, name: str, number_format: NumberFormat) -> Device:
        """A device as it computes in *number_format*.

        Raises: SettingError if it is unknown, or its peak in that format is.
        """
        entry = self.devices.get(name)
        if entry is None:
            raise SettingError(f"unknown device '{name}'{_near(name, self.devices)}; known: {_list(self.devices)}")
        peak = entry.peaks.get(number_format)
        if peak is None:
            raise SettingError(f"device '{name}' has no peak in {number_format}, only in {_list(entry.peaks)}")
        return Device(
            name=name,
            flops_per_s=peak.value * 1e12,
            bytes_per_s=entry.memory_gb_per_s.value * 1e9,
            host_bytes_per_s=entry.host_gb_per_s.value * 1e9,
            memory_bytes=None if entry.memory_gb is None else entry.memory_gb.value * 1e9,
        )

    def model(self, name: str) -> ModelShape:
        """A model's sizes.

        Raises: SettingError if it is unknown.
        """
        entry = self.models.get(name)
        if entry is None:
            raise SettingError(f"unknown model '{name}'{_near(name, self.models)}; known: {_list(self.models)}")
        return ModelShape(name=name, **entry.model_dump(exclude={"source"}))

    def with_file(self, path: Path) -> Catalogue:
        """This catalogue and a file's entries, which win.

        Raises: SettingError with the file's path, line and column.
        """
        file = _read(path)
        return Catalogue(
            {**self.sources, **file.sources}, {**self.devices, **file.devices}, {**self.models, **file.models}
        )


def load_catalogue(*more: Path) -> Catalogue:
    """The shipped catalogue, then the entries of the files *more*.

    Raises: SettingError.
    """
    catalogue = Catalogue({}, {}, {})
    for path in (SHIPPED, *more):
        catalogue = catalogue.with_file(path)
    return catalogue


def _read(path: Path) -> _File:
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return _File.model_validate(yaml.safe_load(text))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        raise SettingError(f"{path}:{at}: {error.problem}") from error
    except ValidationError as error:
        raise SettingError(
            "\n".join(_explain(path, root, problem["loc"], problem["msg"]) for problem in error.errors())
        ) from error


def _explain(path: Path, root: yaml.Node | None, loc: tuple[str | int, ...], message: str) -> str:
    line, column = _mark(root, loc)
    field = f"{loc[-1]}: " if loc else ""
    return f"{path}:{line}:{column}: {field}{message.removeprefix('Value error, ')}"


def _mark(node: yaml.Node | None, loc: tuple[str | int, ...]) -> tuple[int, int]:
    """1-based line and column of the key at *loc*, or of the nearest place above it."""
    mark = (1, 1)
    for part in loc:
        if not isinstance(node, yaml.MappingNode):
            break
        found = next(((key, value) for key, value in node.value if key.value == part), None)
        if found is None:
            break
        mark, node = (found[0].start_mark.line + 1, found[0].start_mark.column + 1), found[1]
    return mark


def _near(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean '{close[0]}'?" if close else ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
