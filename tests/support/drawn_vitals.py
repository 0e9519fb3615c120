"""Numbers and a really drawn chart of a cluster that fills up, without a source behind them."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.chart.incident_chart import draw
from opsbot.chart.incident_words import alt_text
from opsbot.chart.picture import Picture
from opsbot.incident.view import IncidentView
from opsbot.slack.vital_lines import Number
from opsbot.vitals.figure import FIGURES
from opsbot.vitals.incident import Course, Track
from opsbot.vitals.moment import moments_of

NUMBERS = (
    Number("KV cache used", "93%", "↗ rising, 71% 10m ago", is_bad=True),
    Number("Waiting requests", "14", "↗ rising, 2 10m ago", is_bad=True),
    Number("Preemptions", "30 a minute", "→ steady"),
)


class DrawnVitals:
    """Implements opsbot.slack.pictures.Vitals."""

    async def numbers(self, view: IncidentView) -> Sequence[Number]:
        return NUMBERS

    async def picture(self, view: IncidentView, now: float) -> Picture | None:
        """Half an hour until *now*."""
        begin = now - 1800
        kv = [(begin + 15 * number, 0.55 + 0.4 * max(0, number - 60) / 60) for number in range(121)]
        waiting = [(begin + 15 * number, max(0.0, (number - 70) / 4)) for number in range(121)]
        tracks = (Track(FIGURES["kv"], kv, 0.9, True), Track(FIGURES["waiting"], waiting, None, False))
        course = Course("local", begin, now, 15.0, tracks, moments_of(view))
        return Picture(draw(course, view.incident.title, "light"), alt_text(course), "INC-1: local over 30 minutes")
