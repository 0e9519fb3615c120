"""Raw samples and thinned ones as one source: each window comes from the finest that has its oldest sample.

So a window has one resolution throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from opsbot.history.level import Level, is_raw, level_at
from opsbot.promql.matcher import Matchers
from opsbot.promql.sheet import Window
from opsbot.promql.source import SeriesSource
from opsbot.promql.vector import Vector


@dataclass(slots=True)
class Layers:
    """A source over all resolutions.

    Args:
        now: seconds since the epoch; what is raw goes by it.
        thinned: the source of a level.
    """

    raw: SeriesSource
    thinned: Callable[[Level], SeriesSource]
    now: float

    def instant(self, matchers: Matchers, time_s: float) -> Vector:
        """The current value of every series that all matchers accept."""
        return self._source(time_s).instant(matchers, time_s)

    def timestamps(self, matchers: Matchers, time_s: float) -> Vector:
        """When each of those values was scraped."""
        return self._source(time_s).timestamps(matchers, time_s)

    def windows(self, matchers: Matchers, start_s: float, end_s: float) -> list[Window]:
        """The samples between start and end of every series that all matchers accept."""
        return self._source(start_s).windows(matchers, start_s, end_s)

    def _source(self, start_s: float) -> SeriesSource:
        return self.raw if is_raw(start_s, self.now) else self.thinned(level_at(start_s, self.now))
