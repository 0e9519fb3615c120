"""An incident as the command line prints it."""

from __future__ import annotations

import dataclasses

from opsbot.client import format_incident
from opsbot.incident.incident import Hold, HoldKind, IncidentState
from opsbot.incident.view import LinkView
from tests.support.incident_views import make_incident, make_run, make_view


def test_it_says_what_is_wrong_what_runs_and_what_holds_it() -> None:
    """In a few plain lines."""
    incident = dataclasses.replace(
        make_incident(IncidentState.MITIGATED), num_alerts=3, num_firing=0, hold=Hold(HoldKind.TREND, "it grows", 1.0)
    )
    view = dataclasses.replace(
        make_view(incident, runs=(make_run(),)), merged=(LinkView("INC-2", "The queue grows", "acknowledged", ""),)
    )
    lines = format_incident(dataclasses.asdict(view)).splitlines()
    assert lines[:4] == [
        "INC-1  mitigated  critical  KV cache pressure on local and 2 more",
        "  0 of 3 alerts fire",
        "  stays open: it grows",
        "  dealt with here too: INC-2  The queue grows",
    ]
    assert any("r-4e65d3" in line for line in lines[4:])


def test_one_alert_needs_no_count() -> None:
    """The usual incident is one line, and what runs."""
    assert format_incident(dataclasses.asdict(make_view())).splitlines() == [
        "INC-1  open  critical  KV cache pressure on local"
    ]
