"""An incident's picture: its numbers over the last half hour, with what happened marked on them."""

from __future__ import annotations

import logging
from typing import Protocol

from opsbot.chart.incident_chart import draw
from opsbot.chart.incident_words import alt_text
from opsbot.chart.picture import Picture, Theme
from opsbot.chart.worker import Drawer
from opsbot.errors import OpsbotError
from opsbot.incident.view import IncidentView
from opsbot.vitals.incident import Course

logger = logging.getLogger(__name__)


class Courses(Protocol):
    """Answers an incident's course; see `IncidentVitals`."""

    async def course(self, view: IncidentView, now: float) -> Course | None: ...


class IncidentPicture:
    """Draws incidents."""

    def __init__(self, courses: Courses, drawer: Drawer, theme: Theme = "light") -> None:
        self._courses, self._drawer, self._theme = courses, drawer, theme

    async def render(self, view: IncidentView, now: float, theme: Theme | None = None) -> Picture | None:
        """The picture at *now*, seconds since the epoch; None where there is no data. Never raises."""
        name = view.incident.incident_id
        try:
            course = await self._courses.course(view, now)
        except OpsbotError as error:
            logger.warning("no picture of %s: %s", name, error)
            return None
        if course is None:
            return None
        png = await self._drawer.drawn(draw, course, view.incident.title, theme or self._theme)
        title = f"{name}: {course.cluster} over {course.minutes} minutes"
        return None if png is None else Picture(png, alt_text(course), title)
