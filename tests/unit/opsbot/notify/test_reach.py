"""Whether the other side can be spoken to at all."""

from __future__ import annotations

from opsbot.notify.lag import Lag
from opsbot.notify.notifier import DeliveryError, Extent
from opsbot.notify.reach import Outage, Reach

DOWN = DeliveryError("no connection", extent=Extent.WORKSPACE, why="Slack could not be reached")
HICCUP = DeliveryError("500", extent=Extent.UNSURE, why="Slack had an error of its own")
ARCHIVED = DeliveryError("is_archived", extent=Extent.CHANNEL, why="the channel is archived", advice="unarchive it")
REFUSED = DeliveryError("no_text", retryable=False)


def test_one_try_at_a_time_while_slack_is_away() -> None:
    """The pause doubles up to a quarter of a minute; while a try is under way there is no other."""
    reach = Reach()
    at, pauses = 0.0, []
    for _ in range(7):
        assert reach.wait_s("#a", at) == 0
        reach.begun("#a")
        reach.failed("#a", "k", DOWN, 1000 + at, at)
        pauses.append(reach.wait_s("#b", at))
        at += pauses[-1]
    assert pauses == [0.5, 1, 2, 4, 8, 15, 15]
    reach.begun("#a")
    assert reach.wait_s("#b", at) == float("inf")
    reach.left("#a")
    assert reach.wait_s("#b", at) == 0


def test_calls_that_were_under_way_do_not_prolong_the_pause() -> None:
    """Eight fail at the same moment: that is one failure."""
    reach = Reach()
    for number in range(8):
        reach.failed("#a", f"k{number}", DOWN, 1000, 0.0)
    assert reach.wait_s("#a", 0.0) == 0.5


def test_a_success_ends_it_and_it_is_remembered() -> None:
    """What was so during it may say why it is late; what came after may not."""
    reach = Reach()
    reach.failed("#a", "k", DOWN, 1000, 0.0)
    outages = [reach.outage]
    assert reach.worked("#a", 4600)
    assert not reach.worked("#a", 4601)
    outages.append(reach.outage)
    assert outages == [Outage("", 1000, "Slack could not be reached", ""), None]
    assert reach.wait_s("#a", 0.0) == 0
    assert reach.why_late(1500, "#a") == "Slack could not be reached"
    assert reach.why_late(4700, "#a") == ""


def test_one_message_that_always_fails_is_no_outage() -> None:
    """Three different ones that fail one after the other are."""
    reach = Reach()
    for _ in range(10):
        reach.failed("#a", "poison", HICCUP, 1000, 0.0)
    assert reach.outage is None
    reach.failed("#a", "second", HICCUP, 1001, 1.0)
    reach.worked("#a", 1002)
    reach.failed("#a", "third", HICCUP, 1003, 3.0)
    reach.failed("#a", "fourth", HICCUP, 1004, 4.0)
    assert reach.outage is None
    reach.failed("#a", "fifth", HICCUP, 1005, 5.0)
    assert reach.outage == Outage("", 1003, "Slack had an error of its own", "")


def test_one_channel_leaves_the_others_alone() -> None:
    """And tells what a person must do."""
    reach = Reach()
    reach.failed("#a", "k", ARCHIVED, 1000, 0.0)
    assert (reach.wait_s("#a", 0.0), reach.wait_s("#b", 0.0)) == (0.5, 0)
    assert reach.worked("#b", 1001) is False
    assert reach.outage == Outage("#a", 1000, "the channel is archived", "unarchive it")


def test_a_refusal_proves_that_somebody_is_there() -> None:
    """Also for the channel."""
    reach = Reach()
    reach.failed("#a", "k", DOWN, 1000, 0.0)
    assert reach.failed("#a", "k", REFUSED, 1010, 10.0)
    assert reach.outage is None


def test_the_lag_is_one_sentence() -> None:
    """For the health page, the Home tab and the command line."""
    down = Outage("", 0, "Slack refused the bot's token (token_revoked)", "make a new one")
    sentences = [
        Lag().sentence(),
        Lag(1, 0.2).sentence(),
        Lag(14, 725, 1).sentence(),
        Lag(3, 75.4, 0, {}, down).sentence(),
    ]
    assert sentences == [
        "nothing waits",
        "1 message waits",
        "14 messages wait, the oldest for 12m; 1 was given up, core's log says why",
        "3 messages wait, the oldest for 1m15s: Slack refused the bot's token (token_revoked) (make a new one)",
    ]
    assert [Lag().is_late, Lag(1, 61).is_late, Lag(0, 0, 1).is_late, Lag(outage=down).is_late] == [
        False,
        True,
        True,
        True,
    ]
