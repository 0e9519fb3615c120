"""Published figures of known GPUs and models, against the simulation: `bench/published.yaml`, nothing fitted."""

from __future__ import annotations

import pytest

from bench.published import Figure, published, simulated

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

MOST_TOKENS = 100_000
"""Rows with more tokens of answers are left to `python -m bench.published`, which takes minutes."""
ONE_GPU = (0.6, 1.65)
SEVERAL_GPUS = (0.5, 2.2)
"""The exchange between GPUs is a share here and a time in truth: too little where steps are short."""
EARLY_VLLM = (0.25, 0.7)
"""Eight GPUs under the vLLM of 2023, one request at a time: a step of 30 to 50 ms whatever the GPU, of which memory
explains 7 to 15."""
SHORT_PROMPT_ON_FOUR = (0.35, 0.6)

ROWS = [one for one in published().figures if one.num_requests * one.answer <= MOST_TOKENS]


def band(figure: Figure) -> tuple[float, float]:
    """Simulated over published, at least and at most."""
    if figure.source == "splitwise":
        return EARLY_VLLM
    if figure.num_gpus == 4 and figure.ttft_ms is not None and figure.prompt == 128:
        return SHORT_PROMPT_ON_FOUR
    return ONE_GPU if figure.num_gpus == 1 else SEVERAL_GPUS


@pytest.mark.parametrize("figure", ROWS, ids=[f"{one.source}, {one.name}" for one in ROWS])
def test_a_published_figure_is_reproduced_within_its_band(figure: Figure) -> None:
    """With the efficiency and the step overhead that a fleet has by default."""
    lowest, highest = band(figure)
    for name, (theirs, mine) in simulated(figure).items():
        assert lowest <= mine / theirs <= highest, f"{name}: published {theirs}, simulated {mine:.1f}"


def test_most_rows_are_tested() -> None:
    """Of 36; the others take minutes."""
    assert len(published().figures) == 36
    assert len(ROWS) >= 24
