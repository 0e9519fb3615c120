"""The one page that says that Slack does not take what it should."""

from __future__ import annotations

import pytest

from opsbot.notify.overdue import Unheard
from opsbot.pagerduty.event import NEVER
from opsbot.pagerduty.page import slack_page

WAITING = Unheard.of([("INC-7", 100.0), ("INC-9", 130.0), ("INC-7", 160.0)])
NOTHING = Unheard()


@pytest.mark.parametrize(
    ("unheard", "sent", "event"),
    [
        (WAITING, NEVER, "trigger:error"),
        (WAITING, "trigger:error", None),
        (WAITING, "resolve", "trigger:error"),
        (NOTHING, NEVER, None),
        (NOTHING, "trigger:error", "resolve"),
        (NOTHING, "resolve", None),
    ],
)
def test_it_stands_while_something_waits(unheard: Unheard, sent: str, event: str | None) -> None:
    """From what waits now, whatever was missed meanwhile."""
    page = slack_page(unheard, sent, 400.0)
    assert (None if page is None else str(page.event)) == event


def test_it_names_incidents_and_how_long_they_wait() -> None:
    """Each once, oldest first, and no more than twenty."""
    page = slack_page(WAITING, NEVER, 400.0)
    assert page is not None
    assert page.body["summary"] == (
        "Slack does not take what opsbot has to say: 2 open incidents, for 5m. `opsbot incidents` lists them"
    )
    assert page.body["custom_details"] == {"incidents": ["INC-7", "INC-9"], "num_incidents": 2}
    many = Unheard.of([(f"INC-{number}", 100.0) for number in range(300)])
    assert (len(many.incident_ids), many.num_incidents) == (20, 300)
