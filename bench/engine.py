"""Decode throughput of our engine, with and without its kernels, beside `transformers.generate` on the same weights.

The three take turns, round after round, so that whatever else the machine does meets all of them. The roof is what
memory and arithmetic of this machine, measured in the same run, would allow. Run on an idle machine:
`python bench/engine.py`, more with `--batch 1 --batch 16 --rounds 5`.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from dataclasses import dataclass

import click
import torch
import transformers
from transformers import LlamaForCausalLM, LogitsProcessor, LogitsProcessorList

from serving_stub.engine.config import EngineConfig
from serving_stub.engine.engine import Engine
from serving_stub.engine.interface import FinishRecord, GenerationRequest, SamplingParams, StepRecord
from serving_stub.engine.runner import TorchRunner
from serving_stub.fetch_model import model_path
from serving_stub.model.config import ModelConfig
from serving_stub.model.gguf import GgufFile
from serving_stub.model.load import DTYPES, DtypeName
from serving_stub.model.native.kernels import Kernels
from serving_stub.model.tokenizer import Tokenizer
from serving_stub.model.transformer import Transformer
from serving_stub.roofline.calibrate import THIS_CPU, THOROUGH, measure, processor
from serving_stub.roofline.capacity import Served
from serving_stub.roofline.roof import Device
from tests.support.transformers_llama import greedy, transformers_llama


@dataclass(frozen=True, slots=True)
class Mix:
    """What is asked: every row alike, so that both sides do the same work."""

    batch: int
    num_prompt_tokens: int
    num_new_tokens: int
    seed: int

    def prompts(self) -> torch.Tensor:
        """Random token ids [B, S], no special ones."""
        generator = torch.Generator().manual_seed(self.seed)
        return torch.randint(100, 40_000, (self.batch, self.num_prompt_tokens), generator=generator)

    @property
    def num_decoded(self) -> int:
        """Tokens after each row's first, which prefill gives."""
        return self.batch * (self.num_new_tokens - 1)


class Times:
    """An engine's observer that keeps what a caller would feel, in seconds."""

    def __init__(self) -> None:
        self.ttft_s: list[float] = []
        self.itl_s: list[float] = []

    def on_step(self, step: StepRecord) -> None:
        pass

    def on_prefix_lookup(self, num_queried_tokens: int, num_hit_tokens: int) -> None:
        pass

    def on_first_token(self, ttft_s: float, queue_time_s: float) -> None:
        self.ttft_s.append(ttft_s)

    def on_token(self, inter_token_s: float) -> None:
        self.itl_s.append(inter_token_s)

    def on_finished(self, record: FinishRecord) -> None:
        pass


class Stopwatch(LogitsProcessor):
    """Notes when transformers has the logits of each step, and changes nothing."""

    def __init__(self) -> None:
        self.at_s: list[float] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self.at_s.append(time.perf_counter())
        return scores


def ours(engine: Engine, mix: Mix) -> float:
    """Decoded tokens a second: from the step that prefilled every row to the end."""
    params = SamplingParams(max_tokens=mix.num_new_tokens, ignore_eos=True)
    for row, prompt in enumerate(mix.prompts().tolist()):
        engine.add(GenerationRequest(f"row-{row}", tuple(prompt), params))
    engine.step()
    started = time.perf_counter()
    while engine.has_work:
        engine.step()
    return mix.num_decoded / (time.perf_counter() - started)


def theirs(model: LlamaForCausalLM, mix: Mix) -> float:
    """Decoded tokens a second: from the logits of the first token to those of the last."""
    watch = Stopwatch()
    greedy(model, mix.prompts(), mix.num_new_tokens, LogitsProcessorList([watch]))
    return mix.num_decoded / (watch.at_s[-1] - watch.at_s[0])


def roof(device: Device, config: ModelConfig, mix: Mix, dtype: torch.dtype) -> float:
    """Decoded tokens a second that memory and arithmetic allow, at the middle of the answers."""
    served = Served(config, device, dtype.itemsize, dtype.itemsize)
    return mix.batch / served.decode_s(mix.batch, mix.num_prompt_tokens + mix.num_new_tokens / 2)


def quantiles_ms(values: list[float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    cuts = statistics.quantiles(values, n=100, method="inclusive") if len(values) > 1 else values * 99
    return cuts[49] * 1e3, cuts[98] * 1e3


@click.command()
@click.option("--batch", "batches", type=click.IntRange(1), multiple=True, default=(1, 8, 32), help="Rows; repeatable.")
@click.option("--prompt-tokens", type=click.IntRange(1), default=64, show_default=True)
@click.option("--new-tokens", type=click.IntRange(2), default=128, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--dtype", type=click.Choice(["bf16", "fp32"]), default="bf16", show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--at-least", type=float, help="End with 1 if a median ratio lies below this.")
def main(
    batches: tuple[int, ...],
    prompt_tokens: int,
    new_tokens: int,
    rounds: int,
    dtype: str,
    threads: int,
    seed: int,
    at_least: float | None,
) -> None:
    """Measure all in turn and print the conditions beside the numbers."""
    torch.set_num_threads(threads)
    file = GgufFile(model_path())
    model_config, state = file.config("SmolLM2-135M-Instruct"), file.state()
    number_format: DtypeName = "bf16" if dtype == "bf16" else "fp32"
    torch_dtype = DTYPES[number_format]
    plain, tokenizer = Transformer(model_config, state, torch_dtype), Tokenizer(file.tokenizer_tables())
    model = Transformer(model_config, state, torch_dtype, Kernels(threads)) if dtype == "bf16" else plain
    peer = transformers_llama(model_config, state, torch_dtype)
    print(f"hardware  {processor()}, {os.cpu_count()} cores, {threads} threads, load {os.getloadavg()[0]:.2f}")
    print(f"software  torch {torch.__version__}, transformers {transformers.__version__}, {platform.python_version()}")
    print(f"model     {model_config.name} from {file.path.name}, {dtype}")
    print(f"mix       {prompt_tokens} random prompt tokens, {new_tokens} new, greedy, all rows alike, seed {seed}")
    seen = measure(THOROUGH)
    device = Device(THIS_CPU, seen.flops_per_s[number_format], seen.bytes_per_s, seen.host_bytes_per_s, None)
    print(
        f"machine   reads {device.bytes_per_s / 1e9:.0f} GB/s, {device.flops_per_s / 1e9:.0f} GFLOP/s in {dtype}, "
        f"ridge {device.ridge_point:.0f} operations per byte"
    )
    print(f"products  {', '.join(f'{rows}: {way}' for rows, way in model.ways.items())} (rows: way)")
    print()
    print("| batch | ours | without kernels | transformers | ours / theirs | of the roof | TTFT p50 | ITL p50, p99 |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    ratios = []
    for batch in batches:
        mix = Mix(batch, prompt_tokens, new_tokens, seed)
        config = EngineConfig(
            max_num_seqs=batch, max_num_batched_tokens=batch * prompt_tokens, enable_prefix_caching=False
        )
        engine, without = (
            Engine(
                config,
                model_config,
                TorchRunner(one, config.num_blocks, config.block_size, seed),
                tokenizer,
                device=device,
            )
            for one in (model, plain)
        )
        for warm_up in (engine, without):
            ours(warm_up, mix)
        theirs(peer, mix)
        times = Times()
        engine.observer = times
        rates = [(ours(engine, mix), ours(without, mix), theirs(peer, mix)) for _ in range(rounds)]
        mine, torch_only, other = (statistics.median(side) for side in zip(*rates, strict=True))
        ratios.append(mine / other)
        share = mine / roof(device, model_config, mix, torch_dtype)
        ttft, itl = quantiles_ms(times.ttft_s), quantiles_ms(times.itl_s)
        print(
            f"| {batch} | {mine:.0f} tokens/s | {torch_only:.0f} | {other:.0f} | {mine / other:.2f} | {share:.0%} "
            f"| {ttft[0]:.0f} ms | {itl[0]:.0f}, {itl[1]:.0f} ms |",
            flush=True,
        )
    print()
    print(f"{rounds} rounds, medians; load after {os.getloadavg()[0]:.2f}")
    if at_least is not None and min(ratios) < at_least:
        raise click.ClickException(f"the lowest ratio is {min(ratios):.2f}, expected at least {at_least}")


if __name__ == "__main__":
    main()
