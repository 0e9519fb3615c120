"""Logits to tokens: greedy, or sampled with the request's own seed.

Each request draws from its own generator, seeded by the request and the position, so its tokens are the same alone,
in any batch, and after a preemption.
"""

from __future__ import annotations

import torch

from serving_stub.engine.sequence import Sequence


def sample(logits: torch.Tensor, sequences: list[Sequence], default_seed: int) -> list[int]:
    """The next token of each sequence; logits [R, vocab_size] in fp32, one row a sequence."""
    greedy = logits.argmax(dim=-1).tolist()
    return [
        int(greedy[row]) if seq.request.params.temperature == 0 else _draw(logits[row], seq, default_seed)
        for row, seq in enumerate(sequences)
    ]


def _draw(logits: torch.Tensor, seq: Sequence, default_seed: int) -> int:
    params = seq.request.params
    probabilities = torch.softmax(logits / params.temperature, dim=-1)
    values, order = probabilities.sort(descending=True)
    if params.top_k:
        values[params.top_k :] = 0
    # Keep the smallest set whose mass reaches top_p: a token is out when the mass before it already does.
    values[(values.cumsum(0) - values) >= params.top_p] = 0
    seed = params.seed if params.seed is not None else hash((default_seed, seq.request_id))
    generator = torch.Generator().manual_seed((seed * 1_000_003 + len(seq)) % 2**63)
    return int(order[torch.multinomial(values, 1, generator=generator)])
