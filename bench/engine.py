"""Decode throughput of our engine beside `transformers.generate`, on the same weights and prompts.

The two take turns, round after round, so that whatever else the machine does meets both. Run on an idle machine:
`python bench/engine.py`, more with `--batch 1 --batch 8 --batch 32 --rounds 5`.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import click
import torch
import transformers
from transformers import LlamaForCausalLM, LogitsProcessor, LogitsProcessorList

from serving_stub.engine.config import EngineConfig
from serving_stub.engine.engine import Engine
from serving_stub.engine.interface import FinishRecord, GenerationRequest, SamplingParams, StepRecord
from serving_stub.engine.runner import TorchRunner
from serving_stub.fetch_model import model_path
from serving_stub.model.gguf import GgufFile
from serving_stub.model.load import DTYPES
from serving_stub.model.tokenizer import Tokenizer
from serving_stub.model.transformer import Transformer
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


def processor() -> str:
    """The processor's name as the kernel knows it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def percentiles(values: list[float]) -> str:
    """p50 and p99 in milliseconds."""
    cuts = statistics.quantiles(values, n=100, method="inclusive") if len(values) > 1 else values * 99
    return f"p50 {cuts[49] * 1e3:.0f} ms, p99 {cuts[98] * 1e3:.0f} ms"


@click.command()
@click.option("--batch", "batches", type=click.IntRange(1), multiple=True, default=(8,), help="Rows; repeatable.")
@click.option("--prompt-tokens", type=click.IntRange(1), default=64, show_default=True)
@click.option("--new-tokens", type=click.IntRange(2), default=48, show_default=True)
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
    """Measure both in turn and print the conditions beside the numbers."""
    torch.set_num_threads(threads)
    file = GgufFile(model_path())
    model_config, state = file.config("SmolLM2-135M-Instruct"), file.state()
    torch_dtype = DTYPES["bf16" if dtype == "bf16" else "fp32"]
    model, tokenizer = Transformer(model_config, state, torch_dtype), Tokenizer(file.tokenizer_tables())
    peer = transformers_llama(model_config, state, torch_dtype)
    print(f"hardware  {processor()}, {os.cpu_count()} cores, {threads} threads, load {os.getloadavg()[0]:.2f}")
    print(f"software  torch {torch.__version__}, transformers {transformers.__version__}, {platform.python_version()}")
    print(f"model     {model_config.name} from {file.path.name}, {dtype}")
    print(f"mix       {prompt_tokens} random prompt tokens, {new_tokens} new, greedy, all rows alike, seed {seed}")
    ratios = []
    for batch in batches:
        mix = Mix(batch, prompt_tokens, new_tokens, seed)
        config = EngineConfig(
            max_num_seqs=batch, max_num_batched_tokens=batch * prompt_tokens, enable_prefix_caching=False
        )
        runner = TorchRunner(model, config.num_blocks, config.block_size, config.seed)
        engine = Engine(config, model_config, runner, tokenizer)
        ours(engine, mix)
        theirs(peer, mix)
        times = Times()
        engine.observer = times
        rates = [(ours(engine, mix), theirs(peer, mix)) for _ in range(rounds)]
        mine, other = (statistics.median(side) for side in zip(*rates, strict=True))
        ratios.append(mine / other)
        print(f"batch {batch}: decode {mine:.0f} tokens/s, transformers {other:.0f}, ratio {mine / other:.2f}")
        print(f"  rounds  {', '.join(f'{a:.0f} / {b:.0f}' for a, b in rates)}")
        print(f"  ours    TTFT {percentiles(times.ttft_s)}; ITL {percentiles(times.itl_s)}")
    print(f"load after {os.getloadavg()[0]:.2f}")
    if at_least is not None and min(ratios) < at_least:
        raise click.ClickException(f"the lowest ratio is {min(ratios):.2f}, expected at least {at_least}")


if __name__ == "__main__":
    main()
