"""What incidents' messages show beside their text; vital numbers and Slack do not know each other."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.chart.picture import Picture
from opsbot.incident.view import IncidentView
from opsbot.slack.vital_lines import Number
from opsbot.vitals.reading import Reading
from opsbot.vitals_wiring import VitalParts


class SlackVitals:
    """Implements opsbot.slack.pictures.Vitals."""

    def __init__(self, parts: VitalParts) -> None:
        self._parts = parts

    async def numbers(self, view: IncidentView) -> Sequence[Number]:
        """The two or three that matter; empty where nothing is known of the cluster."""
        return [number_of(reading) for reading in await self._parts.incidents.readings(view)]

    async def picture(self, view: IncidentView, now: float) -> Picture | None:
        """The last half hour; None where there is no data."""
        return await self._parts.pictures.render(view, now)


def number_of(reading: Reading) -> Number:
    """A reading as Slack shows it."""
    is_bad = reading.is_tight or reading.mood == "bad"
    return Number(reading.name, reading.text, reading.line.removeprefix(reading.text).strip(), is_bad)
