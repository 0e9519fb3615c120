"""Asks a metrics source for what the fleet carries, and puts the answers together by cluster and model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from opsbot.capacity.catalogue import ELEMENT_BYTES
from opsbot.capacity.grid import Element, Grid, Line, key_of
from opsbot.capacity.hardware import Figures, Hardware, Key
from opsbot.capacity.usage import BOUNDS, Bound, Cluster, bandwidth_when_full
from opsbot.errors import SourceError

MIN_RATE_WINDOW_S = 60.0
"""Prometheus servers scrape every 15 to 60 s at most sites; a shorter rate would find a single sample."""


def _either(text: str) -> str:
    """vLLM's names as it writes them, or with an underscore: some collectors allow no colon in a name."""
    return f"{text} or {text.replace('vllm:', 'vllm_')}" if "vllm:" in text else text


_QUERIES: Mapping[str, str] = {
    "prompt": "rate(vllm:prompt_tokens_total[{window}])",
    "answer": "rate(vllm:generation_tokens_total[{window}])",
    "kv": "avg_over_time(vllm:kv_cache_usage_perc[{window}])",
    "running": "avg_over_time(vllm:num_requests_running[{window}])",
    "limit": "avg_over_time(serving_batch_limit[{window}])",
    "max_seqs": "avg_over_time(serving_max_num_seqs[{window}])",
    "read": "rate(vllm:estimated_read_bytes_per_gpu_total[{window}])",
    "write": "rate(vllm:estimated_write_bytes_per_gpu_total[{window}])",
    "flops": "rate(vllm:estimated_flops_per_gpu_total[{window}])",
    "steps": "rate(vllm:iteration_tokens_total_count[{window}])",
}
QUERIES = {name: _either(text) for name, text in _QUERIES.items()}
# What a server is does not change while a scrape of it fails.
DEVICES = "last_over_time(serving_device_info[5m])"
PEAK_FLOPS = "last_over_time(serving_device_peak_flops_per_second[5m])"
PEAK_BYTES = "last_over_time(serving_device_peak_bytes_per_second[5m])"
CACHES = _either("last_over_time(vllm:cache_config_info[5m])")
COUNTRIES = "60 * sum by (country) (rate(frontdoor_requests_by_country_total[{window}]))"

_Floats = NDArray[np.float64]


class Source(Protocol):
    """A Prometheus API; raises SourceError when it does not answer."""

    async def query(self, text: str) -> Sequence[Element]: ...

    async def query_at(self, text: str, at_s: float) -> Sequence[Element]: ...

    async def query_range(self, text: str, start_s: float, end_s: float, step_s: float) -> Sequence[Line]: ...


def rate_window_s(step_s: float) -> int:
    """The range over which rates and means are taken, so that steps leave no gaps."""
    return math.ceil(max(MIN_RATE_WINDOW_S, step_s))


def _range(step_s: float) -> str:
    return f"{rate_window_s(step_s)}s"


async def gather(
    source: Source, start_s: float, end_s: float, step_s: float, figures: Figures, window_s: float | None = None
) -> tuple[Cluster, ...]:
    """Every cluster that has tokens between *start_s* and *end_s*, by name.

    Args:
        window_s: over which rates and means are taken; as long as a step, so that nothing is left out, unless stated.

    Raises: SourceError when the source does not answer, or knows no tokens at all.
    """
    grid = Grid(start_s, step_s, math.floor((end_s - start_s) / step_s + 1e-9) + 1)
    window = _range(step_s if window_s is None else window_s)
    found = {
        name: grid.read(await source.query_range(text.format(window=window), start_s, end_s, step_s))
        for name, text in QUERIES.items()
    }
    if not found["answer"] and not found["prompt"]:
        raise SourceError(
            "the source has no `vllm:generation_tokens_total` in this time, nor `vllm_…`; check that it scrapes the "
            "servers (`up`), or choose another --window"
        )
    hardware = hardware_of(
        figures,
        await source.query(DEVICES),
        await source.query(PEAK_FLOPS),
        await source.query(PEAK_BYTES),
        await source.query(CACHES),
    )
    return _clusters(grid, found, hardware)


def hardware_of(
    figures: Figures,
    devices: Iterable[Element],
    flops: Iterable[Element],
    peak_bytes: Iterable[Element],
    caches: Iterable[Element],
) -> Hardware:
    """What the answers to DEVICES, PEAK_FLOPS, PEAK_BYTES and CACHES say."""
    return Hardware(
        figures,
        devices={key_of(one.labels): one.labels.get("device", "") for one in devices},
        flops_per_s={key_of(one.labels): one.value for one in flops},
        bytes_per_s={key_of(one.labels): one.value for one in peak_bytes},
        caches={key_of(one.labels): one.labels for one in caches},
    )


def clusters_at(answers: Mapping[str, Iterable[Element]], at_s: float, hardware: Hardware) -> tuple[Cluster, ...]:
    """Every cluster that has tokens at one instant, from the answers to QUERIES then, by their names."""
    grid = Grid(at_s, 1.0, 1)
    return _clusters(grid, {name: grid.read_moment(answers.get(name, ())) for name in QUERIES}, hardware)


def _clusters(grid: Grid, found: Mapping[str, Mapping[Key, _Floats]], hardware: Hardware) -> tuple[Cluster, ...]:
    countries: dict[Key, str] = {key_of(line): line["country"] for line in grid.labels if line.get("country")}
    groups: dict[tuple[str, str], list[Key]] = {}
    for key in sorted({*found["answer"], *found["prompt"]}):
        groups.setdefault((key[0] or key[1], key[2]), []).append(key)
    return tuple(
        _cluster(name, model, keys, grid, found, hardware, countries) for (name, model), keys in sorted(groups.items())
    )


async def requests_by_country(source: Source, step_s: float) -> dict[str, float]:
    """Requests a minute at the front door, by country; empty where there is no door."""
    answer = await source.query(COUNTRIES.format(window=_range(step_s)))
    return {one.labels.get("country", "unknown"): one.value for one in answer if not math.isnan(one.value)}


async def tokens_at(source: Source, at_s: float, step_s: float) -> dict[tuple[str, str], float]:
    """Tokens a minute at one instant, by (cluster, model)."""
    found: dict[tuple[str, str], float] = {}
    for name in ("prompt", "answer"):
        answer = await source.query_at(QUERIES[name].format(window=_range(step_s)), at_s)
        # By engine first: under both names it is still one.
        for key, value in {key_of(one.labels): one.value for one in answer if not math.isnan(one.value)}.items():
            place = (key[0] or key[1], key[2])
            found[place] = found.get(place, 0.0) + 60 * value
    return found


def _cluster(
    name: str,
    model: str,
    keys: Sequence[Key],
    grid: Grid,
    found: Mapping[str, Mapping[Key, _Floats]],
    hardware: Hardware,
    countries: Mapping[Key, str],
) -> Cluster:
    tokens = _sum([_sum([found[part][key] for part in ("prompt", "answer") if key in found[part]]) for key in keys])
    shares: dict[Bound, _Floats] = {}
    unknown: dict[Bound, str] = {}
    at_most: set[Bound] = set()
    read: Mapping[Bound, Callable[[Key], tuple[_Floats, bool] | str]] = {
        "KV": lambda key: _plain(found["kv"].get(key), "no `vllm:kv_cache_usage_perc`"),
        "batch": lambda key: _batch(key, found, hardware),
        "bandwidth": lambda key: _bandwidth(key, found, hardware),
        "compute": lambda key: _compute(key, found, hardware),
    }
    for bound in BOUNDS:
        each = [read[bound](key) for key in keys]
        reasons = [one for one in each if isinstance(one, str)]
        if reasons:
            unknown[bound] = reasons[0]
            continue
        values = [one for one in each if not isinstance(one, str)]
        shares[bound] = _mean([share for share, _ in values])
        if any(is_at_most for _, is_at_most in values):
            at_most.add(bound)
    free = [hardware.headroom_bytes(key, _last(found["kv"].get(key))) for key in keys]
    return Cluster(
        name=name,
        model=model,
        tokens=grid.readings(60 * tokens),
        shares={bound: grid.readings(values) for bound, values in shares.items()},
        unknown=unknown,
        at_most=frozenset(at_most),
        headroom_bytes=None if None in free else sum(one for one in free if one is not None),
        country=next((countries[key] for key in keys if key in countries), None),
    )


def _plain(values: _Floats | None, reason: str) -> tuple[_Floats, bool] | str:
    return reason if values is None else (values, False)


def _limit(key: Key, found: Mapping[str, Mapping[Key, _Floats]], hardware: Hardware) -> _Floats | None:
    exposed = next((found[name][key] for name in ("limit", "max_seqs") if key in found[name]), None)
    stated, running = hardware.figures.max_num_seqs, found["running"].get(key)
    if exposed is None and stated is not None and running is not None:
        return np.full_like(running, stated)
    return exposed


def _batch(key: Key, found: Mapping[str, Mapping[Key, _Floats]], hardware: Hardware) -> tuple[_Floats, bool] | str:
    running, limit = found["running"].get(key), _limit(key, found, hardware)
    if running is None:
        return "no `vllm:num_requests_running`"
    if limit is None:
        return "vLLM exposes no batch limit; set capacity.max_num_seqs to its --max-num-seqs"
    return np.where(limit > 0, running / np.where(limit > 0, limit, 1.0), np.nan), False


def _bandwidth(key: Key, found: Mapping[str, Mapping[Key, _Floats]], hardware: Hardware) -> tuple[_Floats, bool] | str:
    device, read, write = hardware.peaks(key), found["read"].get(key), found["write"].get(key)
    if isinstance(device, str):
        return device
    if read is None or write is None or not np.any(read > 0):
        return "`vllm:estimated_read_bytes_per_gpu_total` does not grow"
    total = read + write
    model = hardware.model(key)
    steps, running, limit = found["steps"].get(key), found["running"].get(key), _limit(key, found, hardware)
    if model is None or steps is None or running is None or limit is None:
        return total / device.bytes_per_s, True
    weights = (model.num_layer_parameters + model.num_head_parameters) * ELEMENT_BYTES[hardware.figures.number_format]
    full = [
        bandwidth_when_full(float(moved), float(rate), weights, float(rows), float(most))
        for moved, rate, rows, most in zip(total, steps, running, limit, strict=True)
    ]
    return np.array(full) / device.bytes_per_s, False


def _compute(key: Key, found: Mapping[str, Mapping[Key, _Floats]], hardware: Hardware) -> tuple[_Floats, bool] | str:
    device, flops = hardware.peaks(key), found["flops"].get(key)
    if isinstance(device, str):
        return device
    if flops is None or not np.any(flops > 0):
        return "`vllm:estimated_flops_per_gpu_total` does not grow"
    if device.flops_per_s is None:
        return f"{device.name} has no figure for {hardware.figures.number_format}"
    return flops / device.flops_per_s, False


def _sum(parts: Sequence[_Floats]) -> _Floats:
    """The sum of those that are there; NaN where none is."""
    stacked = np.vstack(parts)
    return np.where(np.isnan(stacked).all(axis=0), np.nan, np.nansum(stacked, axis=0))


def _mean(parts: Sequence[_Floats]) -> _Floats:
    stacked = np.vstack(parts)
    present = (~np.isnan(stacked)).sum(axis=0)
    return np.where(present == 0, np.nan, np.nansum(stacked, axis=0) / np.maximum(present, 1))


def _last(values: _Floats | None) -> float:
    present = np.array([]) if values is None else values[~np.isnan(values)]
    return float(present[-1]) if len(present) else math.nan
