"""How long prompts and answers are: log-normal, as they are in published traces, with stated medians."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of prompts and answers.

    Args:
        prompt_median, answer_median: half of all are longer.
        prompt_spread, answer_spread: standard deviation of the logarithm; 0.8 means two in three lie between 0.45
            and 2.2 times the median.
    """

    prompt_median: float
    answer_median: float
    prompt_spread: float = 0.8
    answer_spread: float = 0.8

    @property
    def means(self) -> tuple[float, float]:
        """Of prompts and of answers, before long ones are cut."""
        return (
            self.prompt_median * math.exp(self.prompt_spread**2 / 2),
            self.answer_median * math.exp(self.answer_spread**2 / 2),
        )

    def draw(self, source: np.random.Generator, num: int, longest: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Prompts and answers, each [num]; at least 1, and together at most *longest* tokens."""
        prompts = _log_normal(source, self.prompt_median, self.prompt_spread, num)
        answers = np.minimum(_log_normal(source, self.answer_median, self.answer_spread, num), longest // 2)
        return np.minimum(prompts, longest - answers), answers


def _log_normal(source: np.random.Generator, median: float, spread: float, num: int) -> NDArray[np.int64]:
    drawn = source.lognormal(math.log(median), spread, num)
    return np.clip(np.rint(drawn), 1, 1_000_000).astype(np.int64)


CONVERSATION = Lengths(1020, 129)
"""Medians of the conversation trace in Patel et al. 2024, "Splitwise", section III; the spread is our assumption."""

CODING = Lengths(1500, 13)
"""Medians of the coding trace there: much is read and little written, so arithmetic is what it waits for."""

WRITING = Lengths(120, 600)
"""Little is read and much written, so memory is what it waits for. Our assumption, not from a trace."""
