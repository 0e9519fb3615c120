"""Builds what reads and draws vital numbers from the settings, for core and for commands alike."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from opsbot.capacity.gather import Source
from opsbot.capacity_settings import capacity_figures
from opsbot.chart.fleet_pictures import FleetPictures
from opsbot.chart.incident_picture import IncidentPicture
from opsbot.chart.picture import Theme
from opsbot.chart.worker import Drawer
from opsbot.clock import Clock
from opsbot.config import Settings
from opsbot.rule.book import RuleBook
from opsbot.vitals.incident import IncidentVitals
from opsbot.vitals.leases import Leases
from opsbot.vitals.reader import DEADLINE_S, VitalsReader

RULES_KNOWN_S = 30.0


class RuleTexts:
    """The expression of each alerting rule by its name, read from the files again when they change."""

    def __init__(self, paths: tuple[Path, ...], clock: Clock) -> None:
        # What is wrong with a file is watch's to say.
        self._book = RuleBook(paths, lambda problem: None)
        self._clock = clock
        self._looked_at: float | None = None
        self._texts: dict[str, str] = {}
        self._turn = threading.Lock()

    def __call__(self, name: str) -> str:
        """PromQL; empty for an alert of somebody else's. Reads files, so it is called in a thread."""
        with self._turn:
            now = self._clock.monotonic()
            if self._looked_at is None or now - self._looked_at > RULES_KNOWN_S:
                self._looked_at = now
                if self._book.reload():
                    self._texts = {rule.name: rule.expr.prettify() for rule in self._book.rules}
            return self._texts.get(name, "")


@dataclass(frozen=True, slots=True)
class VitalParts:
    """What shows vital numbers: of the fleet, of an incident, and as a picture."""

    reader: VitalsReader
    incidents: IncidentVitals
    pictures: IncidentPicture
    fleet_pictures: FleetPictures
    drawer: Drawer


def vitals_reader(
    settings: Settings, source: Source, leases: Leases | None, clock: Clock, *, deadline_s: float = DEADLINE_S
) -> VitalsReader:
    """Reads the fleet's vitals from *source*, and leases from the control APIs."""
    names = [one.cluster for one in settings.serving]
    return VitalsReader(source, clock, capacity_figures(settings), names, leases, deadline_s=deadline_s)


def vital_parts(
    settings: Settings, source: Source, leases: Leases | None, clock: Clock, theme: Theme = "light"
) -> VitalParts:
    """All of it, over one reader and one drawing process."""
    reader, drawer = vitals_reader(settings, source, leases, clock), Drawer()
    incidents = IncidentVitals(reader, source, clock, RuleTexts(tuple(settings.alert_rules), clock))
    fleet_pictures = FleetPictures(source, capacity_figures(settings), drawer, theme)
    return VitalParts(reader, incidents, IncidentPicture(incidents, drawer, theme), fleet_pictures, drawer)
