"""How often we may speak."""

from __future__ import annotations

from opsbot.notify.budget import Budget, Lane


def test_one_message_is_edited_once_a_second() -> None:
    """A second edit within the second must wait; another message need not."""
    budget = Budget()
    asked = [
        budget.allows(Lane.EDIT, "incident:INC-1", 10.0),
        budget.allows(Lane.EDIT, "incident:INC-1", 10.9),
        budget.allows(Lane.EDIT, "incident:INC-2", 10.9),
        budget.allows(Lane.EDIT, "incident:INC-1", 11.0),
    ]
    assert asked == [True, False, True, True]


def test_replies_flow_at_one_a_second_after_a_burst() -> None:
    """Ten at once, then one for each second that passed."""
    budget = Budget()
    assert sum(budget.allows(Lane.POST, f"timeline:{n}", 0.0) for n in range(30)) == 10
    assert sum(budget.allows(Lane.POST, f"timeline:{n}", 3.0) for n in range(30)) == 3


def test_pages_do_not_wait_for_replies() -> None:
    """A spent allowance of replies holds no page."""
    budget = Budget()
    for number in range(30):
        budget.allows(Lane.POST, f"timeline:{number}", 0.0)
    assert budget.allows(Lane.PAGE, "incident:INC-9", 0.0)


def test_a_storm_of_incidents_is_told_one_by_one() -> None:
    """Twenty at once, then one for each second that passed; replies make up for them, since Slack counts both alike."""
    budget = Budget()
    assert sum(budget.allows(Lane.PAGE, f"incident:{n}", 0.0) for n in range(300)) == 20
    assert sum(budget.allows(Lane.PAGE, f"incident:{n}", 5.0) for n in range(300)) == 5
    assert not budget.allows(Lane.POST, "timeline:1", 5.0)
    assert budget.allows(Lane.POST, "timeline:1", 30.0)


def test_a_demanded_pause_holds_every_post_but_no_edit() -> None:
    """Slack limits per method: pages and replies are chat.postMessage, edits are not."""
    budget = Budget()
    budget.pause(Lane.POST, 30.0, 100.0)
    at_once = [budget.allows(lane, "k", 129.9) for lane in (Lane.PAGE, Lane.POST, Lane.EDIT)]
    later = [budget.allows(lane, "j", 130.0) for lane in (Lane.PAGE, Lane.POST)]
    assert at_once == [False, False, True]
    assert later == [True, True]


def test_a_clock_that_steps_back_takes_nothing_away() -> None:
    """The allowance does not shrink when time seems to run backwards."""
    budget = Budget()
    assert budget.allows(Lane.POST, "a", 100.0)
    assert sum(budget.allows(Lane.POST, f"b{n}", 50.0) for n in range(30)) == 9
