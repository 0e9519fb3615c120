"""Our engine beside its peers on the same weights: `transformers.generate`, and llama.cpp where it is installed.

All sides take turns, round after round, so that whatever else the machine does meets all of them. The roof is what
memory and arithmetic of this machine, measured in the same run, would allow. Run on an idle machine:
`python bench/engine.py`, more with `--batch 1 --batch 16 --rounds 5`.

llama.cpp needs an interpreter of its own: `python3 -m venv /tmp/llama` and there `pip install --no-binary
llama-cpp-python llama-cpp-python==0.3.36`, then `--llama-python /tmp/llama/bin/python`.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import get_args

import click
import torch
import transformers

from bench.quality import describe_quality
from bench.sides import LlamaCpp, Mix, Ours, Reading, Side, Transformers
from serving_stub.engine.pool import to_device
from serving_stub.fetch_model import model_path
from serving_stub.model.gguf import GgufFile
from serving_stub.model.load import DTYPES, DeviceName, DtypeName, int8_transformer
from serving_stub.model.native.kernels import Kernels
from serving_stub.model.shape import ModelShape
from serving_stub.model.tokenizer import Tokenizer
from serving_stub.model.transformer import Transformer
from serving_stub.roofline.calibrate import ON_GPU, THIS_CPU, THOROUGH, Calibration, measure, processor
from serving_stub.roofline.capacity import Served
from serving_stub.roofline.catalogue import ELEMENT_BYTES, NumberFormat
from serving_stub.roofline.roof import Device
from tests.support.transformers_llama import transformers_llama

Readings = dict[str, list[Reading]]


def device(seen: Calibration, number_format: NumberFormat) -> Device:
    """This processor, or GPU, as it was just measured."""
    return Device(THIS_CPU, seen.flops_per_s[number_format], seen.bytes_per_s, seen.host_bytes_per_s, None)


def roof(shape: ModelShape, seen: Calibration, number_format: NumberFormat, kv_bytes: int, mix: Mix) -> float:
    """Decoded tokens a second that memory and arithmetic allow, at the middle of the answers."""
    served = Served(shape, device(seen, number_format), ELEMENT_BYTES[number_format], kv_bytes)
    return mix.batch / served.decode_s(mix.batch, mix.num_prompt_tokens + mix.num_new_tokens / 2)


def quantiles_ms(values: list[float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    cuts = statistics.quantiles(values, n=100, method="inclusive") if len(values) > 1 else values * 99
    return cuts[49] * 1e3, cuts[98] * 1e3


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """In Markdown, after an empty line."""
    print()
    for cells in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(cells)} |", flush=True)


def medians(readings: Readings, name: str) -> Reading:
    """Of one side's rounds."""
    rounds = readings[name]
    return Reading(statistics.median(one.decode for one in rounds), statistics.median(one.prefill for one in rounds))


@click.command()
@click.option("--batch", "batches", type=click.IntRange(1), multiple=True, default=(1, 8, 32), help="Rows; repeatable.")
@click.option("--prompt-tokens", type=click.IntRange(1), default=64, show_default=True)
@click.option("--new-tokens", type=click.IntRange(2), default=128, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--dtype", type=click.Choice(get_args(DtypeName)), default="bf16", show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", "where", type=click.Choice(get_args(DeviceName)), default="auto", show_default=True)
@click.option("--llama-python", type=click.Path(path_type=Path), help="An interpreter that has llama-cpp-python.")
@click.option(
    "--llama-type",
    "llama_types",
    type=click.Choice(["BF16", "Q4_1", "Q8_0", "Q4_0"]),
    multiple=True,
    default=("BF16", "Q4_1", "Q8_0", "Q4_0"),
    help="Its file types; repeatable.",
)
@click.option("--at-least", type=float, help="End with 1 if our median ratio to transformers lies below this.")
def main(
    batches: tuple[int, ...],
    prompt_tokens: int,
    new_tokens: int,
    rounds: int,
    dtype: DtypeName,
    threads: int,
    seed: int,
    where: DeviceName,
    llama_python: Path | None,
    llama_types: tuple[str, ...],
    at_least: float | None,
) -> None:
    """Measure all in turn and print the conditions beside the numbers."""
    torch.set_num_threads(threads)
    file = GgufFile(model_path())
    config, state, tokenizer = file.config("SmolLM2-135M-Instruct"), file.state(), Tokenizer(file.tokenizer_tables())
    on = to_device(where)
    kernels = Kernels(threads) if dtype == "bf16" and on.type == "cpu" else None
    gpu = f", {torch.cuda.get_device_name(on)}" if on.type == "cuda" else ""
    print(f"hardware  {processor()}, {os.cpu_count()} cores, {threads} threads{gpu}, load {os.getloadavg()[0]:.2f}")
    print(f"software  torch {torch.__version__}, transformers {transformers.__version__}, {platform.python_version()}")
    print(f"model     {config.name} from {file.path.name}, {dtype} unless stated")
    print(f"mix       {prompt_tokens} random prompt tokens, {new_tokens} new, greedy, all rows alike, seed {seed}")
    seen = measure(THOROUGH if on.type == "cpu" else ON_GPU, on)
    here = device(seen, dtype)
    print(
        f"machine   reads {here.bytes_per_s / 1e9:.0f} GB/s, {here.flops_per_s / 1e9:.0f} GFLOP/s in {dtype}, "
        f"ridge {here.ridge_point:.0f} operations per byte"
    )
    ours = Ours("ours", Transformer(config, state, DTYPES[dtype], kernels, device=on), tokenizer, here)
    peer_model = transformers_llama(config, state, DTYPES[dtype])
    peer_model.to(on)  # type: ignore[arg-type]
    theirs = Transformers("transformers", peer_model)
    print(f"products  {', '.join(f'{rows}: {way}' for rows, way in ours.model.ways.items())} (rows: way)")
    sides: list[Side] = [ours, theirs]
    int8: Ours | None = None
    if kernels is not None:
        int8 = Ours("ours, int8", int8_transformer(config, state, tokenizer, dtype, kernels), tokenizer, here)
        sides[1:1] = [Ours("ours, plain torch", Transformer(config, state, DTYPES[dtype]), tokenizer, here), int8]
        print(f"quality   {describe_quality(config, state, tokenizer, ours.model, int8.model)}")
    with ExitStack() as stack:
        if llama_python is not None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            llama_peers = [LlamaCpp(llama_python, file.path, kind, folder, threads) for kind in llama_types]
            for peer in llama_peers:
                stack.callback(peer.close)
            sides += llama_peers
            print(f"llama.cpp {llama_peers[0].version}, unified KV off, flash attention on")
        found: dict[int, Readings] = {}
        felt: list[list[str]] = []
        for batch in batches:
            mix = Mix(batch, prompt_tokens, new_tokens, seed)
            for side in sides:
                side.measure(mix)
            readings: Readings = {side.name: [] for side in sides}
            for _ in range(rounds):
                for side in sides:
                    readings[side.name].append(side.measure(mix))
            found[batch] = readings
            ttft, itl = quantiles_ms(ours.times.ttft_s), quantiles_ms(ours.times.itl_s)
            share = medians(readings, ours.name).decode / roof(config, seen, dtype, DTYPES[dtype].itemsize, mix)
            shares = [f"{share:.0%}"]
            if int8 is not None:
                fast = medians(readings, int8.name).decode
                shares.append(f"{fast / roof(config, seen, 'int8', DTYPES[dtype].itemsize, mix):.0%}")
            felt.append([str(batch), " / ".join(shares), f"{ttft[0]:.0f} ms", f"{itl[0]:.0f}, {itl[1]:.0f} ms"])
    names = [side.name for side in sides]
    print_table(
        ["decoded tokens/s at batch", *names],
        [[str(batch), *(f"{medians(found[batch], name).decode:.0f}" for name in names)] for batch in batches],
    )
    for mine in [ours, int8] if int8 is not None else [ours]:
        others = [name for name in names if not name.startswith("ours")]
        print_table(
            [f"{mine.name} / peer, decoding", *others],
            [
                [
                    str(batch),
                    *(
                        f"{medians(found[batch], mine.name).decode / medians(found[batch], name).decode:.2f}"
                        for name in others
                    ),
                ]
                for batch in batches
            ],
        )
    print_table(
        ["prefilled tokens/s at batch", *names],
        [[str(batch), *(f"{medians(found[batch], name).prefill:.0f}" for name in names)] for batch in batches],
    )
    print_table(["ours at batch", "of the roof" + (" (int8)" if int8 else ""), "TTFT p50", "ITL p50, p99"], felt)
    print()
    print(f"{rounds} rounds in turns, medians; load after {os.getloadavg()[0]:.2f}")
    lowest = min(medians(one, ours.name).decode / medians(one, theirs.name).decode for one in found.values())
    if at_least is not None and lowest < at_least:
        raise click.ClickException(f"the lowest ratio is {lowest:.2f}, expected at least {at_least}")


if __name__ == "__main__":
    main()
