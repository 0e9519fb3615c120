"""Incidents: what people are told about and act on."""

from opsbot.incident.incident import TRANSITIONS, Incident, IncidentState
from opsbot.incident.timeline import TimelineEntry

__all__ = ["TRANSITIONS", "Incident", "IncidentState", "TimelineEntry"]
