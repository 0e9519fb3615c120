"""`python -m serving_stub calibrate` and `python -m serving_stub roofline`."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import get_args

import click
from rich import box
from rich.console import Console
from rich.table import Table

from serving_stub.errors import SettingError
from serving_stub.roofline.capacity import GPU_MEMORY_UTILIZATION, Served
from serving_stub.roofline.catalogue import ELEMENT_BYTES, Catalogue, NumberFormat, load_catalogue

_WRONG_SETTING = 2


@click.command()
@click.option("--num-threads", type=click.IntRange(1), default=2, show_default=True, help="Threads that compute.")
@click.option("--cache-dir", type=click.Path(path_type=Path), help="Folder to keep the figures in.")
def calibrate(num_threads: int, cache_dir: Path | None) -> None:
    """Measure this processor for the roofline, and keep the figures for the server. Best on an idle machine."""
    import torch

    from serving_stub.roofline.calibrate import THIS_CPU, THOROUGH, calibration_path, measure, processor

    torch.set_num_threads(num_threads)
    path = calibration_path(num_threads, cache_dir)
    click.echo(f"measuring {processor()} with {num_threads} threads; a few seconds", err=True)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    source = f"python -m serving_stub calibrate, {processor()}, {num_threads} threads, {today}"
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(measure(THOROUGH).to_yaml(source), encoding="utf-8")
    beside.replace(path)
    _show(load_catalogue(path), (THIS_CPU,), "smollm2-135m", "bf16", 1024)
    click.echo(f"kept in {path}")


@click.command()
@click.option("--device", "devices", multiple=True, help="Device of the catalogue; repeatable [default: all].")
@click.option("--model", default="llama-3.1-8b", show_default=True, help="Model of the catalogue.")
@click.option("--format", "number_format", type=click.Choice(get_args(NumberFormat)), default="bf16", show_default=True)
@click.option("--context", type=click.IntRange(1), default=1024, show_default=True, help="Tokens of each sequence.")
@click.option("--catalogue", type=click.Path(path_type=Path), help="A file with more devices and models.")
@click.option("--sources", is_flag=True, help="Say where each figure comes from.")
def roofline(
    devices: tuple[str, ...],
    model: str,
    number_format: NumberFormat,
    context: int,
    catalogue: Path | None,
    sources: bool,
) -> None:
    """What a model on each device comes to: ridge, batch that crosses it, KV tokens, swap or recompute."""
    try:
        known = load_catalogue(*([catalogue] if catalogue else []))
        chosen = devices or tuple(name for name, entry in known.devices.items() if number_format in entry.peaks)
        _show(known, chosen, model, number_format, context)
    except SettingError as error:
        click.echo(f"serving_stub: {error}", err=True)
        sys.exit(_WRONG_SETTING)
    if sources:
        _show_sources(known, chosen, model)


def _show(known: Catalogue, devices: tuple[str, ...], model: str, number_format: NumberFormat, context: int) -> None:
    shape, size = known.model(model), ELEMENT_BYTES[number_format]
    served = [Served(shape, known.device(name, number_format), size, size) for name in devices]
    table = Table(
        title=f"{model} in {number_format}, {context:,} tokens a sequence", title_justify="left", box=box.SIMPLE_HEAD
    )
    table.add_column("device", no_wrap=True)
    for column in (
        *("ridge\nops/byte", "crossed at\nbatch", f"{context:,} tokens\neach", "step at\nbatch 1"),
        *("KV tokens\nthat fit", "sequences\nthat fit", "ops/byte\nwhen full", "swap", "recompute"),
    ):
        table.add_column(column, justify="right", no_wrap=True)
    for one in served:
        table.add_row(
            one.device.name,
            f"{one.device.ridge_point:.0f}",
            _batch(one.crossing_batch(0)),
            _batch(one.crossing_batch(context)),
            f"{one.decode_s(1, context) * 1e3:.2f} ms",
            *_when_full(one, context),
            *_had_back(one, context),
        )
    console = Console(width=max(120, Console().width))
    console.print(table)
    memory = f"; weights and KV take {GPU_MEMORY_UTILIZATION:.0%} of the memory" if served[0].kv_tokens() else ""
    console.print(
        f"{shape.num_parameters / 1e9:.3g} billion parameters; {served[0].kv_bytes_per_token:,} bytes of KV a token"
        f"{memory}.\n"
        "Below the ridge a step waits for memory, above it for arithmetic; 'never' means that each row reads so much "
        "KV for what it computes that no batch is large enough. Swap and recompute: two ways to have a preempted "
        "sequence back; * marks the sooner.",
        highlight=False,
    )


def _batch(crossing: int | None) -> str:
    return "never" if crossing is None else f"{crossing:,}"


def _when_full(one: Served, context: int) -> tuple[str, str, str]:
    tokens = one.kv_tokens()
    if tokens is None:
        return "", "", ""
    return f"{tokens:,}", f"{tokens // context:,}", f"{one.intensity(tokens // context, context):.0f}"


def _had_back(one: Served, context: int) -> tuple[str, str]:
    """How long a preempted sequence takes to be back either way; a star at the shorter one."""
    swap, recompute = f"{one.swap_s(context) * 1e3:.3g} ms", f"{one.recompute_s(context) * 1e3:.3g} ms"
    return (f"*{swap}", recompute) if one.is_swap_cheaper(context) else (swap, f"*{recompute}")


def _show_sources(known: Catalogue, devices: tuple[str, ...], model: str) -> None:
    for name in devices:
        for field, figure in known.devices[name].figures():
            click.echo(f"{name}.{field} = {figure.value:g}: {known.sources[figure.source]}")
    click.echo(f"{model}: {known.sources[known.models[model].source]}")
