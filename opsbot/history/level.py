"""The resolutions that are kept, and for how long. Each is thinned from the finer one."""

from __future__ import annotations

from dataclasses import dataclass

from opsbot.promql.reach import COARSE_S, COARSE_STEP_S, EDGE_S, FINE_S, FINE_STEP_S, RAW_S, SLACK_S


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution.

    Args:
        number: what it is called in the file.
        step_s: of each such step, beginning at a multiple of it, the last sample is kept.
        kept_s: how long.
        span_s: what is compressed into one chunk; a multiple of the step.
        settled_s: after the end of such a span nothing more comes for it.
    """

    number: int
    step_s: float
    kept_s: float
    span_s: float
    settled_s: float


FINE = Level(0, FINE_STEP_S, FINE_S, 3600.0, 120.0)
COARSE = Level(1, COARSE_STEP_S, COARSE_S, 6 * 3600.0, 3600.0 + 240.0)
LEVELS = (FINE, COARSE)
"""The finest first."""


def is_raw(start_s: float, now: float) -> bool:
    """Whether memory has every sample since *start_s*."""
    return start_s >= now - RAW_S - EDGE_S


def level_at(start_s: float, now: float) -> Level:
    """The finest level that still has what was at *start_s*."""
    return FINE if start_s >= now - FINE_S - SLACK_S else COARSE
