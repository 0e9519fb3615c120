"""Where an evaluation takes its samples from."""

from __future__ import annotations

from typing import Protocol

from opsbot.promql.matcher import Matchers
from opsbot.promql.sheet import Window
from opsbot.promql.vector import Vector


class SeriesSource(Protocol):
    """Series, asked by matchers; times in seconds since the epoch."""

    def instant(self, matchers: Matchers, time_s: float) -> Vector:
        """The current value of every series that all matchers accept."""
        ...

    def timestamps(self, matchers: Matchers, time_s: float) -> Vector:
        """When each of those values was scraped."""
        ...

    def windows(self, matchers: Matchers, start_s: float, end_s: float) -> list[Window]:
        """The samples between start and end of every series that all matchers accept."""
        ...
