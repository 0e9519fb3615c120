"""A wake that Slack does not take: it is known to be unheard, for as long as nobody has the incident."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opsbot.incident.incident import IncidentState
from opsbot.store.pages import PageRepository
from tests.support.alert_night import Night
from tests.support.rotas import AFTER_S, BEN, on_call, person, policy, rota

pytestmark = pytest.mark.integration


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    """Somebody on call, and a second level."""
    made = Night(tmp_path, rota=rota(policy([on_call()], [person(BEN)])))
    yield made
    made.database.close()


def slack_takes_all(night: Night) -> None:
    """Slack shows what there is to show."""
    for item in night.stores.outbox.due(night.now, 1000):
        night.stores.outbox.mark_delivered(item.key, item.revision, "C1", "1.0")


def test_a_second_level_that_slack_does_not_take_is_unheard(night: Night) -> None:
    """The first was heard; who was asked after it was not, and that counts from when it was asked."""
    night.fire("Slow", severity="medium")
    slack_takes_all(night)
    pages = PageRepository(night.database)
    night.after(AFTER_S)
    night.stores.escalations.review(night.now)
    asked_at = night.now
    night.after(100)
    assert pages.unheard(asked_at - 1).num_incidents == 0
    found = pages.unheard(asked_at)
    assert (found.incident_ids, found.oldest_at) == (("INC-1",), asked_at)
    night.stores.incidents.move("INC-1", IncidentState.ACKNOWLEDGED, night.now, note=None, user_id="U1")
    assert pages.unheard(asked_at).num_incidents == 0


def test_a_wake_that_slack_has_taken_is_heard(night: Night) -> None:
    """Though it came late."""
    night.fire("Slow", severity="medium")
    night.after(AFTER_S)
    night.stores.escalations.review(night.now)
    pages = PageRepository(night.database)
    assert pages.unheard(night.now).incident_ids == ("INC-1",)
    slack_takes_all(night)
    assert pages.unheard(night.now).num_incidents == 0
