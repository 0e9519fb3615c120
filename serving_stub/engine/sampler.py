"""Logits to tokens: greedy, or sampled with the request's own seed.

Each draw has a generator of its own, seeded by the request and the position, so a request's tokens are the same
alone, in any batch, and after a preemption.
"""

from __future__ import annotations

import hashlib

import torch

from serving_stub.engine.interface import SamplingParams
from serving_stub.engine.sequence import Sequence

GREEDY_BELOW = 1e-5
"""Temperatures below this are greedy; dividing by them would overflow. The limit is vLLM's."""


def sample(logits: torch.Tensor, sequences: list[Sequence], default_seed: int) -> list[int | None]:
    """The next token of each sequence, None where its logits are not finite.

    Shapes: logits [R, vocab_size] in fp32, one row a sequence.
    """
    # A sum is finite only if every term is, and costs less than asking each of them.
    finite: list[bool] = logits.sum(dim=-1).isfinite().tolist()
    greedy: list[int] = logits.argmax(dim=-1).tolist()
    tokens: list[int | None] = []
    for row, seq in enumerate(sequences):
        if not finite[row]:
            tokens.append(None)
        elif seq.request.params.temperature < GREEDY_BELOW:
            tokens.append(greedy[row])
        else:
            probabilities, order = _candidates(logits[row], seq.request.params)
            drawn = int(torch.multinomial(probabilities, 1, generator=_generator(seq, default_seed)))
            tokens.append(drawn if order is None else int(order[drawn]))
    return tokens


def _candidates(logits: torch.Tensor, params: SamplingParams) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Weights of the tokens that may be drawn, and their ids, most likely first (None: every token in order)."""
    probabilities = torch.softmax(logits / params.temperature, dim=-1)
    if not params.top_k and params.top_p >= 1.0:
        return probabilities, None
    values, order = probabilities.topk(min(params.top_k or len(probabilities), len(probabilities)))
    values = values / values.sum()
    # The smallest set whose mass reaches top_p: a token is out when the mass before it is enough already.
    return values.masked_fill(values.cumsum(0) - values >= params.top_p, 0.0), order


def _generator(seq: Sequence, default_seed: int) -> torch.Generator:
    seed = seq.request.params.seed
    owner = f"{default_seed}/{seq.request_id}" if seed is None else str(seed)
    digest = hashlib.blake2b(f"{owner}/{len(seq)}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
