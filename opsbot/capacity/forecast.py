"""The trend of a load and where it goes, as a band.

The logarithm of the load is regressed on time, the day's and the week's course and an error that remembers its last
value; growth is a factor a day, so the band is log-normal. Trend and course are part of the model's state, so their
own uncertainty widens the band.

Source: Durbin and Koopman 2012, "Time Series Analysis by State Space Methods", sections 3.6 and 5.2; the filter and the
fit are statsmodels'.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opsbot.capacity.lognormal import BAND_Z, LogNormal

MIN_READINGS = 20
"""Fewer say nothing about how far readings scatter."""
DAY_S = 86_400.0
WEEK_S = 7 * DAY_S
_HARMONICS = 2

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Readings:
    """A load over time at equal steps. `values[i]` belongs to `start_s + i * step_s`; NaN where there was none."""

    start_s: float
    step_s: float
    values: Sequence[float]

    @property
    def times(self) -> list[float]:
        """Seconds since the epoch of each value."""
        return [self.start_s + index * self.step_s for index in range(len(self.values))]

    @property
    def end_s(self) -> float:
        """The last value's time."""
        return self.start_s + (len(self.values) - 1) * self.step_s

    def known(self) -> list[tuple[float, float]]:
        """(time, value) of those that are there."""
        return [(at, value) for at, value in zip(self.times, self.values, strict=True) if not math.isnan(value)]

    def settled(self, window_s: float) -> Readings:
        """Without what came within *window_s* of a beginning or a gap.

        There a rate's range is not full yet, and `rate` divides by all of it: a steady load seems to grow. What is
        there at the first step began before it.
        """
        num_unsettled = math.ceil(window_s / self.step_s)
        values, since = list(self.values), num_unsettled
        for index, value in enumerate(self.values):
            since = 0 if math.isnan(value) else since + 1
            if 0 < since <= num_unsettled:
                values[index] = math.nan
        return Readings(self.start_s, self.step_s, values)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where a load goes.

    Args:
        growth_per_day: the factor a day.
        times: seconds since the epoch, after the last reading.
        values: the load at each of them.
    """

    growth_per_day: LogNormal
    times: Sequence[float]
    values: Sequence[LogNormal]

    @property
    def has_trend(self) -> bool:
        """Whether the band of the growth leaves no doubt about its direction."""
        return self.growth_per_day.low > 1 or self.growth_per_day.high < 1


@dataclass(frozen=True, slots=True)
class Meeting:
    """When a load meets its capacity, seconds since the epoch; None where it does not before the forecast ends.

    One in ten outcomes comes before `earliest`, and one in ten after `latest`.
    """

    earliest: float | None
    likely: float | None
    latest: float | None


def forecast(readings: Readings, horizon_s: float) -> Forecast | None:
    """Where *readings* go within *horizon_s*; None if there are too few of them (MIN_READINGS above zero)."""
    values = np.array([value if value > 0 else math.nan for value in readings.values], dtype=np.float64)
    present = np.flatnonzero(~np.isnan(values))
    if len(present) < MIN_READINGS:
        return None
    first, last = int(present[0]), int(present[-1])
    logs = np.log(values[first : last + 1])
    span_s = (last - first) * readings.step_s
    begin_s = readings.start_s + first * readings.step_s
    num_ahead = max(1, math.ceil(horizon_s / readings.step_s))
    times: _Floats = np.array([begin_s + readings.step_s * index for index in range(len(logs) + num_ahead)])
    causes = _causes(times, begin_s, span_s)
    mean, variance, slope, slope_variance = _fit(logs, causes, num_ahead)
    per_day = DAY_S / span_s
    return Forecast(
        LogNormal(slope * per_day, math.sqrt(slope_variance) * per_day),
        [float(at) for at in times[len(logs) :]],
        [LogNormal(float(mu), math.sqrt(max(0.0, float(var)))) for mu, var in zip(mean, variance, strict=True)],
    )


def meeting(load: Forecast, capacity: LogNormal) -> Meeting:
    """When *load* meets *capacity*; what is unsure about either widens the range.

    A load that has met it is taken to have met it for good.
    """
    ratios = [(at, value / capacity) for at, value in zip(load.times, load.values, strict=True)]

    def first(z: float) -> float | None:
        return next((at for at, ratio in ratios if ratio.mu + z * ratio.sigma >= 0), None)

    return Meeting(earliest=first(BAND_Z), likely=first(0.0), latest=first(-BAND_Z))


def _causes(times: _Floats, begin_s: float, span_s: float) -> _Floats:
    """Columns of the regression, [times, causes]: level, trend (1 over the whole span), and the courses it can see."""
    columns = [np.ones_like(times), (times - begin_s) / span_s - 1.0]
    for period_s in (DAY_S, WEEK_S):
        # A course is only told from the trend once it has been seen twice.
        if span_s >= 2 * period_s - DAY_S / 24:
            for harmonic in range(1, _HARMONICS + 1):
                angle = 2 * math.pi * harmonic * times / period_s
                columns += [np.sin(angle), np.cos(angle)]
    return np.column_stack(columns)


def _fit(logs: _Floats, causes: _Floats, num_ahead: int) -> tuple[_Floats, _Floats, float, float]:
    """Mean and variance ahead, and those of the trend's coefficient."""
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    # The exact diffuse start loses all precision with this many causes; a wide one serves.
    model: Any = SARIMAX(
        logs, exog=causes[: len(logs)], order=(1, 0, 0), mle_regression=False, concentrate_scale=True, missing="none"
    )
    with warnings.catch_warnings():
        # Readings without any scatter have no best fit; the last one tried is as good as any.
        warnings.simplefilter("ignore")
        result = model.fit(start_params=[0.5], method="nm", disp=0, cov_type="none")
        ahead = result.get_forecast(num_ahead, exog=causes[len(logs) :])
        mean, variance = np.asarray(ahead.predicted_mean), np.asarray(ahead.var_pred_mean)
    trend = model.state_names.index("beta.x1")
    slope = float(result.filtered_state[trend, -1])
    slope_variance = max(0.0, float(result.filtered_state_cov[trend, trend, -1]))
    return mean, variance, slope, slope_variance
