"""What goes on beside an incident that explains it, and is no part of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.incident.view import IncidentView
from opsbot.slack.text import shorten, with_people
from opsbot.utilisation.load_test import REMARK_KIND

MAX_REMARK = 400


def beside_lines(view: IncidentView) -> Sequence[str]:
    """That a load test was under way when its alerts began; in mrkdwn."""
    found = [entry for entry in view.timeline if entry.kind == REMARK_KIND][-1:]
    return [f"*Beside it:* {with_people(shorten(one.text, MAX_REMARK), one.actor)}" for one in found]
