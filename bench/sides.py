"""The sides of `bench/engine.py`: each answers a mix of requests and says how fast it decoded and prefilled."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import click
import torch
from transformers import LlamaForCausalLM, LogitsProcessor, LogitsProcessorList

from serving_stub.engine.config import EngineConfig
from serving_stub.engine.engine import Engine
from serving_stub.engine.interface import FinishRecord, GenerationRequest, SamplingParams, StepRecord
from serving_stub.engine.runner import TorchRunner, graphs_for
from serving_stub.model.tokenizer import Tokenizer
from serving_stub.model.transformer import Transformer
from serving_stub.roofline.roof import Device
from tests.support.transformers_llama import greedy


@dataclass(frozen=True, slots=True)
class Mix:
    """What is asked: every row alike, so that all sides do the same work."""

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

    @property
    def num_prefilled(self) -> int:
        return self.batch * self.num_prompt_tokens


@dataclass(frozen=True, slots=True)
class Reading:
    """Tokens a second: decoded from the step that prefilled every row to the end, prefilled until then."""

    decode: float
    prefill: float


class Side(Protocol):
    """Whatever can answer a mix."""

    name: str

    def measure(self, mix: Mix) -> Reading:
        """Answer it once."""
        ...


@dataclass(slots=True)
class Times:
    """An engine's observer that keeps what a caller would feel, in seconds."""

    ttft_s: list[float] = field(default_factory=list)
    itl_s: list[float] = field(default_factory=list)

    def on_step(self, step: StepRecord) -> None:
        pass

    def on_prefix_lookup(self, num_queried_tokens: int, num_hit_tokens: int, num_evicted_tokens: int) -> None:
        pass

    def on_first_token(self, ttft_s: float, queue_time_s: float) -> None:
        self.ttft_s.append(ttft_s)

    def on_token(self, inter_token_s: float) -> None:
        self.itl_s.append(inter_token_s)

    def on_finished(self, record: FinishRecord) -> None:
        pass


@dataclass(slots=True)
class Ours:
    """Our engine on *model*; `times` is of the mix that was measured last."""

    name: str
    model: Transformer
    tokenizer: Tokenizer
    device: Device
    times: Times = field(default_factory=Times)
    _engine: Engine | None = None
    _mix: Mix | None = None

    def measure(self, mix: Mix) -> Reading:
        if self._engine is None or mix != self._mix:
            self._engine, self._mix, self.times = self._new_engine(mix), mix, Times()
        else:
            self._engine.observer = self.times  # the first answer warms up
        return answer(self._engine, mix)

    def _new_engine(self, mix: Mix) -> Engine:
        config = EngineConfig(
            max_num_seqs=mix.batch, max_num_batched_tokens=mix.num_prefilled, enable_prefix_caching=False
        )
        runner = TorchRunner(
            self.model,
            config.num_pool_blocks,
            config.block_size,
            mix.seed,
            capture=graphs_for(self.model.device),
        )
        return Engine(config, self.model.config, runner, self.tokenizer, device=self.device)


def answer(engine: Engine, mix: Mix) -> Reading:
    """Answer *mix* once with an engine that takes all of it in one step."""
    params = SamplingParams(max_tokens=mix.num_new_tokens, ignore_eos=True)
    for row, prompt in enumerate(mix.prompts().tolist()):
        engine.add(GenerationRequest(f"row-{row}", tuple(prompt), params))
    began = time.perf_counter()
    engine.step()
    prefilled = time.perf_counter()
    while engine.has_work:
        engine.step()
    return Reading(mix.num_decoded / (time.perf_counter() - prefilled), mix.num_prefilled / (prefilled - began))


class Stopwatch(LogitsProcessor):
    """Notes when transformers has the logits of each step, and changes nothing."""

    def __init__(self) -> None:
        self.at_s: list[float] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if scores.device.type == "cuda":
            torch.cuda.synchronize(scores.device)
        self.at_s.append(time.perf_counter())
        return scores


@dataclass(slots=True)
class Transformers:
    """`generate` of transformers, greedy, with its own cache."""

    name: str
    model: LlamaForCausalLM

    def measure(self, mix: Mix) -> Reading:
        watch, began = Stopwatch(), time.perf_counter()
        greedy(self.model, mix.prompts().to(self.model.device), mix.num_new_tokens, LogitsProcessorList([watch]))
        first, last = watch.at_s[0], watch.at_s[-1]
        return Reading(mix.num_decoded / (last - first), mix.num_prefilled / (first - began))


class LlamaCpp:
    """llama.cpp in a process of an interpreter that has llama-cpp-python."""

    def __init__(self, python: Path, model: Path, kind: str, folder: Path, threads: int) -> None:
        self.name = f"llama.cpp {kind}"
        peer = Path(__file__).with_name("llamacpp_peer.py")
        self._process = subprocess.Popen(  # noqa: S603  (the interpreter that the user chose)
            [python, peer, model, kind, folder, str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        hello = self._answer()
        self.version = f"llama-cpp-python {hello['version']} ({' '.join(str(hello['system']).split())})"

    def measure(self, mix: Mix) -> Reading:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{mix.batch} {mix.num_prompt_tokens} {mix.num_new_tokens}\n")
        self._process.stdin.flush()
        reading = self._answer()
        return Reading(float(reading["decode"]), float(reading["prefill"]))

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _answer(self) -> dict[str, object]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise click.ClickException(
                f"{self.name} ended with {self._process.wait()}; run bench/llamacpp_peer.py alone"
            )
        found: dict[str, object] = json.loads(line)
        return found
