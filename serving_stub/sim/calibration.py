"""What a step costs on a machine, fitted to steps that were measured there: two rates and two fixed times.

The form is the simulation's own (`sim.runner.StepCost`): the larger of bytes over bandwidth and operations over peak,
so much for every step, and so much more for one that reads prompts. Rates that fit are what steps reach, not what a
data sheet says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from serving_stub.errors import CalibrationError
from serving_stub.roofline.roof import Device

MIN_STEPS = 12
MIN_OF_A_BOUND = 3
"""So many steps must wait for memory, and so many for arithmetic, or one of the two rates is a guess."""
NUM_RIDGES = 400

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MeasuredStep:
    """One step: what it had to do, counted from its shapes, and how long it took."""

    flops: float
    num_bytes: float
    has_prefill: bool
    duration_s: float


@dataclass(frozen=True, slots=True)
class FittedCost:
    """What a step costs: max(bytes / bytes_per_s, flops / flops_per_s) + fixed_s, and prefill_s if it reads prompts.

    Args:
        mean_error: how far the steps of the fit lie from it, as a mean share of their own duration.
    """

    bytes_per_s: float
    flops_per_s: float
    fixed_s: float
    prefill_s: float
    mean_error: float
    num_steps: int

    def device(self, name: str) -> Device:
        """For the roofline; the host link is taken to be as fast as the memory, which on a processor it is."""
        return Device(name, self.flops_per_s, self.bytes_per_s, self.bytes_per_s, memory_bytes=None)


def fit(steps: Iterable[MeasuredStep]) -> FittedCost:
    """The cost that lies nearest to *steps*, by the squares of their relative errors.

    For one ridge point every step's bound is known and the rest is linear; so ridge points are tried, from the lowest
    intensity of the steps to the highest. A step that something else held up counts little: however long it took, it
    is off by at most its whole duration.

    Raises: CalibrationError if the steps are too few or cannot tell one rate from the other.
    """
    known = list(steps)
    if len(known) < MIN_STEPS:
        raise CalibrationError(
            f"{len(known)} measured steps are too few to fit a cost to, expected {MIN_STEPS} or more"
        )
    flops, num_bytes, took = (
        np.array([getattr(step, name) for step in known]) for name in ("flops", "num_bytes", "duration_s")
    )
    if not (np.isfinite([flops, num_bytes, took]).all() and min(flops.min(), num_bytes.min(), took.min()) > 0):
        raise CalibrationError("a measured step has no operations, no bytes or no duration; measure them again")
    fixed = np.array([(1.0, step.has_prefill) for step in known])
    intensity = flops / num_bytes
    best: tuple[float, float, Floats, Floats] | None = None
    for ridge in np.geomspace(intensity.min(), intensity.max(), NUM_RIDGES).tolist():
        table = np.column_stack([np.maximum(num_bytes, flops / ridge), fixed]) / took[:, None]
        costs = _nearest(table)
        error = float(((table @ costs - 1) ** 2).sum())
        if best is None or error < best[0]:
            best = error, ridge, costs, table
    assert best is not None, NUM_RIDGES
    _, ridge, costs, table = best
    num_memory = int((intensity < ridge).sum())
    for bound, count in (("memory", num_memory), ("arithmetic", len(known) - num_memory)):
        if count < MIN_OF_A_BOUND:
            raise CalibrationError(
                f"{count} of {len(known)} measured steps wait for {bound}, expected {MIN_OF_A_BOUND} or more; measure "
                "decoding of one row and prefill of many tokens"
            )
    per_byte_s, fixed_s, prefill_s = costs.tolist()
    if per_byte_s == 0:
        raise CalibrationError("steps with more work took no longer; measure again on a quieter machine")
    return FittedCost(
        bytes_per_s=1 / per_byte_s,
        flops_per_s=ridge / per_byte_s,
        fixed_s=fixed_s,
        prefill_s=prefill_s,
        mean_error=float(np.abs(table @ costs - 1).mean()),
        num_steps=len(known),
    )


def _nearest(table: Floats) -> Floats:
    """Factors of the columns, none below 0, whose sum lies nearest to 1 in every row."""
    num_columns = table.shape[1]
    best, least = np.zeros(num_columns), np.inf
    for size in range(1, num_columns + 1):
        for chosen in map(list, combinations(range(num_columns), size)):
            part = table[:, chosen]
            factors, _, rank, _ = np.linalg.lstsq(part, np.ones(len(table)), rcond=None)
            error = float(((part @ factors - 1) ** 2).sum())
            if rank == size and (factors >= 0).all() and error < least:
                best, least = np.zeros(num_columns), error
                best[chosen] = factors
    return best
