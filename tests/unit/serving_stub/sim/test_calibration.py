"""The fit of a step's cost: it finds what made the steps, and refuses what cannot tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from serving_stub.errors import CalibrationError
from serving_stub.sim.calibration import MeasuredStep, fit

BYTES_PER_S, FLOPS_PER_S, FIXED_S, PREFILL_S = 20e9, 150e9, 0.002, 0.008
WEIGHTS = 270e6
DECODES = (1, 2, 4, 8, 16)
PREFILLS = (4, 16, 32, 64, 128)


def step(rows: int, *, context: int = 64, has_prefill: bool = False) -> MeasuredStep:
    """A step of a model with 135 million weights in bf16, as long as the four constants say."""
    flops, num_bytes = 270e6 * rows, WEIGHTS + 23e3 * context * rows
    roof_s = max(flops / FLOPS_PER_S, num_bytes / BYTES_PER_S)
    return MeasuredStep(flops, num_bytes, has_prefill, roof_s + FIXED_S + PREFILL_S * has_prefill)


STEPS = [step(rows, context=context) for rows in DECODES for context in (16, 64, 400)] + [
    step(rows, context=context, has_prefill=True) for rows in PREFILLS for context in (16, 64, 400)
]


def test_the_cost_that_made_the_steps_is_found() -> None:
    """Both rates within one in a hundred, both times within one in twenty."""
    cost = fit(STEPS)
    assert cost.bytes_per_s == pytest.approx(20e9, rel=0.01)
    assert cost.flops_per_s == pytest.approx(150e9, rel=0.01)
    assert cost.fixed_s == pytest.approx(0.002, rel=0.05)
    assert cost.prefill_s == pytest.approx(0.008, rel=0.05)
    assert cost.mean_error < 0.005
    assert cost.num_steps == 30


def test_noise_averages_out() -> None:
    """Each step up to a tenth longer or shorter: rates within one in ten."""
    noise = np.random.default_rng(1).uniform(0.9, 1.1, 8 * len(STEPS))
    cost = fit(
        replace(one, duration_s=one.duration_s * factor) for one, factor in zip(STEPS * 8, noise.tolist(), strict=True)
    )
    assert cost.bytes_per_s == pytest.approx(20e9, rel=0.1)
    assert cost.flops_per_s == pytest.approx(150e9, rel=0.1)
    assert cost.mean_error == pytest.approx(0.05, abs=0.01)


def test_a_step_that_was_held_up_counts_little() -> None:
    """One of 60 took ten times as long: rates within one in ten."""
    cost = fit([replace(STEPS[0], duration_s=10 * STEPS[0].duration_s), *STEPS[1:], *STEPS])
    assert cost.bytes_per_s == pytest.approx(20e9, rel=0.1)
    assert cost.flops_per_s == pytest.approx(150e9, rel=0.1)


def test_a_machine_without_fixed_time_has_none() -> None:
    """Never a negative one."""
    cost = fit(replace(one, duration_s=one.duration_s - FIXED_S - PREFILL_S * one.has_prefill) for one in STEPS)
    assert cost.fixed_s == pytest.approx(0, abs=1e-4)
    assert cost.prefill_s == pytest.approx(0, abs=1e-4)
    assert cost.bytes_per_s == pytest.approx(20e9, rel=0.02)


def test_the_roofline_takes_the_fit() -> None:
    """Its ridge point is where the two rates meet."""
    assert fit(STEPS).device("this").ridge_point == pytest.approx(7.5, rel=0.02)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (STEPS[:11], "11 measured steps are too few"),
        ([step(rows) for rows in (1, 1, 1, 1)] * 4, "wait for"),
        ([step(1, context=context) for context in range(16, 1616, 100)], "wait for arithmetic"),
        ([step(rows, context=16) for rows in range(32, 64)], "wait for memory"),
        ([replace(one, duration_s=0.0) for one in STEPS], "no duration"),
        ([replace(one, flops=float("nan")) for one in STEPS], "no operations"),
    ],
    ids=["too few", "all alike", "only decoding", "only prefill", "no duration", "not a number"],
)
def test_steps_that_cannot_tell_are_refused(steps: list[MeasuredStep], message: str) -> None:
    """With what is missing, not with a guess."""
    with pytest.raises(CalibrationError, match=message):
        fit(steps)
