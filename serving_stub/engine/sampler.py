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
FIRST_LOOK = 1024
"""Where top_p looks before it sorts the whole vocabulary; a language model's mass lies nearly always within."""


def sample(logits: torch.Tensor, sequences: list[Sequence], default_seed: int) -> list[int | None]:
    """The next token of each sequence, None where its logits are not finite.

    Shapes: logits [R, vocab_size] in fp32, one row a sequence.
    """
    # The largest of a row is a number only if all are, or minus infinity; torch finds it three times as fast by max as
    # by argmax.
    largest, best = logits.max(dim=-1)
    finite: list[bool] = largest.isfinite().tolist()
    greedy: list[int] = best.tolist()
    tokens: list[int | None] = []
    for row, seq in enumerate(sequences):
        if not finite[row]:
            tokens.append(None)
        elif seq.request.params.temperature < GREEDY_BELOW:
            tokens.append(greedy[row])
        else:
            tokens.append(_draw(logits[row], seq, default_seed))
    return tokens


def _draw(logits: torch.Tensor, seq: Sequence, default_seed: int) -> int:
    params = seq.request.params
    probabilities = torch.softmax(logits / params.temperature, dim=-1)
    is_restricted = params.top_k > 0 or params.top_p < 1.0
    weights, order = _likeliest(probabilities, params) if is_restricted else (probabilities, None)
    # One uniform number and a search in the running sum: on a large vocabulary much cheaper than torch.multinomial.
    mass = weights.cumsum(0, dtype=torch.float64)
    at = torch.rand((), generator=_generator(seq, default_seed), dtype=torch.float64).item() * mass[-1]
    index = min(int(torch.searchsorted(mass, at, right=True)), len(mass) - 1)
    return index if order is None else int(order[index])


def _likeliest(probabilities: torch.Tensor, params: SamplingParams) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and ids of the tokens that top_k and top_p leave, most likely first."""
    vocab_size = len(probabilities)
    weights, order = probabilities.topk(min(params.top_k or FIRST_LOOK, vocab_size))
    if params.top_k:
        weights = weights / weights.sum()
    elif weights.sum() < params.top_p:
        weights, order = probabilities.sort(descending=True)
    # The smallest set whose mass reaches top_p: a token is out when the mass before it is enough already. The likeliest
    # is never out, even when top_p is nothing in fp32.
    count = max(1, int((weights.cumsum(0) - weights < params.top_p).sum()))
    return weights[:count], order[:count]


def _generator(seq: Sequence, default_seed: int) -> torch.Generator:
    seed = seq.request.params.seed
    owner = f"{default_seed}/{seq.request_id}" if seed is None else str(seed)
    digest = hashlib.blake2b(f"{owner}/{len(seq)}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
