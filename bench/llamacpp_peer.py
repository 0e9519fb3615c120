"""llama.cpp's side of `bench/engine.py`: many sequences in one batch, driven by lines on standard input.

Run by an interpreter that has llama-cpp-python; it needs nothing of this project. Each line `BATCH PROMPT NEW` is
answered by one JSON object. Unified KV is off and flash attention on, its fastest setting here.
"""

from __future__ import annotations

import ctypes
import json
import random
import sys
import time
from pathlib import Path

import llama_cpp as llama
import numpy as np

TYPES = {"Q4_1": None, "Q4_0": 2, "Q8_0": 7, "BF16": 32}
"""llama.cpp's numbers of file types; the shipped file is Q4_1 already."""


def in_type(shipped: Path, name: str, folder: Path, threads: int) -> Path:
    """The model in another type, written by llama.cpp's own quantiser."""
    number = TYPES[name]
    if number is None:
        return shipped
    path = folder / f"{shipped.stem}.{name}.gguf"
    if not path.exists():
        params = llama.llama_model_quantize_default_params()
        params.ftype, params.allow_requantize, params.nthread = number, True, threads
        if llama.llama_model_quantize(str(shipped).encode(), str(path).encode(), params):
            raise SystemExit(f"llama.cpp could not write {path}")
    return path


class Peer:
    """One loaded model; contexts are made for each batch size and kept."""

    def __init__(self, path: Path, threads: int) -> None:
        self._model = llama.llama_model_load_from_file(str(path).encode(), llama.llama_model_default_params())
        self._vocab_size = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self._model))
        self._batch = llama.llama_batch_init(8192, 0, 1)
        self._contexts: dict[tuple[int, int], object] = {}
        self._threads = threads

    def measure(self, rows: int, num_prompt: int, num_new: int) -> dict[str, float]:
        """Decoded and prefilled tokens a second."""
        context = self._context(rows, num_prompt + num_new)
        llama.llama_memory_clear(llama.llama_get_memory(context), True)
        for row in range(rows):
            for at in range(num_prompt):
                self._put(row * num_prompt + at, random.randint(100, 40_000), at, row, at == num_prompt - 1)
        began = time.perf_counter()
        tokens = self._decode(context, rows * num_prompt, rows)
        prefilled = time.perf_counter()
        for position in range(num_prompt, num_prompt + num_new - 1):
            for row in range(rows):
                self._put(row, tokens[row], position, row, True)
            tokens = self._decode(context, rows, rows)
        ended = time.perf_counter()
        return {
            "decode": rows * (num_new - 1) / (ended - prefilled),
            "prefill": rows * num_prompt / (prefilled - began),
        }

    def _context(self, rows: int, length: int) -> object:
        if (rows, length) not in self._contexts:
            params = llama.llama_context_default_params()
            params.n_ctx = rows * (-(-length // 256) * 256)
            params.n_batch, params.n_ubatch = 8192, 512
            params.n_threads = params.n_threads_batch = self._threads
            params.n_seq_max, params.kv_unified, params.flash_attn_type = rows, False, 1
            self._contexts[rows, length] = llama.llama_init_from_model(self._model, params)
        return self._contexts[rows, length]

    def _put(self, index: int, token: int, position: int, row: int, wants_logits: bool) -> None:
        batch = self._batch
        batch.token[index], batch.pos[index], batch.n_seq_id[index] = token, position, 1
        batch.seq_id[index][0], batch.logits[index] = row, wants_logits

    def _decode(self, context: object, num_tokens: int, rows: int) -> list[int]:
        self._batch.n_tokens = num_tokens
        if llama.llama_decode(context, self._batch):
            raise SystemExit("llama.cpp could not decode the batch")
        logits = np.ctypeslib.as_array(llama.llama_get_logits(context), (rows, self._vocab_size))
        return logits.argmax(1).tolist()


@llama.llama_log_callback
def _mute(*_: object) -> None:
    pass


def main() -> None:
    """`llamacpp_peer.py MODEL.gguf TYPE FOLDER THREADS`."""
    llama.llama_log_set(_mute, ctypes.c_void_p(0))
    llama.llama_backend_init()
    random.seed(0)
    shipped, name, folder, threads = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    peer = Peer(in_type(shipped, name, folder, threads), threads)
    system = llama.llama_print_system_info().decode()
    print(json.dumps({"version": llama.__version__, "system": system}), flush=True)
    for line in sys.stdin:
        print(json.dumps(peer.measure(*map(int, line.split()))), flush=True)


if __name__ == "__main__":
    main()
