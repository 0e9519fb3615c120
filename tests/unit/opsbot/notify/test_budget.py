"""How often we may speak, by method and by channel."""

from __future__ import annotations

import pytest

from opsbot.notify.budget import Budget, Call, Lane

INCIDENTS, OTHERS = "#incidents", "#ops-utilisation"


def page(number: int = 1, place: str = INCIDENTS) -> Call:
    """The first post of an incident."""
    return Call(Lane.PAGE, place, f"incident:INC-{number}")


def post(number: int = 1, place: str = INCIDENTS) -> Call:
    """A reply or another lesser message."""
    return Call(Lane.POST, place, f"timeline:{number}")


def edit(number: int = 1, *, is_urgent: bool = True) -> Call:
    """An edit of an incident's message."""
    return Call(Lane.EDIT, INCIDENTS, f"incident:INC-{number}", is_urgent)


def test_one_message_is_edited_once_a_second() -> None:
    """Two at once; a third within the second must wait; another message need not."""
    budget = Budget()
    asked = [
        budget.allows(edit(1), 10.0),
        budget.allows(edit(1), 10.0),
        budget.allows(edit(1), 10.9),
        budget.allows(edit(2), 10.9),
        budget.allows(edit(1), 11.0),
    ]
    assert asked == [True, True, False, True, True]


def test_it_says_how_long_to_wait() -> None:
    """So that nobody asks again in vain; asking costs nothing."""
    budget = Budget()
    assert [budget.allows(edit(1), 10.0) for _ in range(3)] == [True, True, False]
    assert budget.wait_s(edit(1), 10.25) == pytest.approx(0.75)
    for number in range(10):
        assert budget.allows(post(number), 10.0)
    assert budget.wait_s(post(11), 10.0) == pytest.approx(1.0)
    assert budget.wait_s(post(11), 10.0) == pytest.approx(1.0)
    assert budget.allows(post(11), 11.0)


def test_replies_flow_at_one_a_second_after_a_burst() -> None:
    """Ten at once, then one for each second that passed."""
    budget = Budget()
    assert sum(budget.allows(post(n), 0.0) for n in range(30)) == 10
    assert sum(budget.allows(post(n), 3.0) for n in range(30)) == 3


def test_pages_do_not_wait_for_replies() -> None:
    """A spent allowance of replies holds no page."""
    budget = Budget()
    for number in range(30):
        budget.allows(post(number), 0.0)
    assert budget.allows(page(9), 0.0)


def test_a_storm_of_incidents_is_told_one_by_one() -> None:
    """Twenty at once, then one for each second that passed; replies make up for them, since Slack counts both alike."""
    budget = Budget()
    assert sum(budget.allows(page(n), 0.0) for n in range(300)) == 20
    assert sum(budget.allows(page(n), 5.0) for n in range(300)) == 5
    assert not budget.allows(post(), 5.0)
    assert budget.allows(post(), 30.0)


def test_another_channel_takes_nothing_away() -> None:
    """However much is said elsewhere, the incidents' channel has its own allowance, and pages a part of the whole."""
    budget = Budget()
    for channel in range(20):
        for number in range(20):
            budget.allows(post(number, f"#channel-{channel}"), 0.0)
    assert sum(budget.allows(page(n), 0.0) for n in range(30)) == 20


def test_one_busy_channel_holds_no_reply_elsewhere() -> None:
    """A reply in the incidents' channel goes while another channel has used up its own."""
    budget = Budget()
    assert sum(budget.allows(post(n, OTHERS), 0.0) for n in range(30)) == 10
    assert sum(budget.allows(post(n), 0.0) for n in range(30)) == 10


def test_the_workspace_has_a_ceiling() -> None:
    """Several hundred a minute: a burst of twenty lesser posts over all channels, then four a second."""
    budget = Budget()
    at_once = sum(budget.allows(post(n, f"#channel-{n}"), 0.0) for n in range(100))
    later = sum(budget.allows(post(n, f"#channel-{n}"), 2.0) for n in range(100, 200))
    assert (at_once, later) == (20, 8)


def test_the_last_edits_are_kept_for_what_is_urgent() -> None:
    """Ten edits of lesser messages at once; five more are there for incidents."""
    budget = Budget()
    lesser = sum(budget.allows(edit(n, is_urgent=False), 0.0) for n in range(50))
    urgent = sum(budget.allows(edit(n), 0.0) for n in range(100, 150))
    assert (lesser, urgent) == (10, 5)


def test_a_demanded_pause_holds_every_post_of_its_channel() -> None:
    """Slack limits posts by channel: pages and replies there are one method; edits and other channels are not."""
    budget = Budget()
    budget.pause(post(), 30.0, 100.0)
    at_once = [budget.allows(call, 129.9) for call in (page(), post(), edit(), post(1, OTHERS))]
    later = [budget.allows(call, 130.0) for call in (page(2), post(2))]
    assert at_once == [False, False, True, True]
    assert later == [True, True]


def test_a_pause_of_edits_holds_all_of_them() -> None:
    """Slack limits edits by method."""
    budget = Budget()
    budget.pause(edit(1), 5.0, 0.0)
    assert [budget.allows(call, 4.9) for call in (edit(2), post())] == [False, True]


def test_other_methods_have_their_tiers() -> None:
    """Each by itself; what has none is free."""
    budget = Budget({"views.publish": 100.0, "usergroups.list": 20.0})
    home, groups, free = (Call(Lane.OTHER, key=key) for key in ("views.publish", "usergroups.list", "auth.test"))
    counts = [sum(budget.allows(call, 0.0) for _ in range(200)) for call in (home, groups, free)]
    assert counts == [20, 4, 200]
    assert [sum(budget.allows(call, 60.0) for _ in range(200)) for call in (home, groups)] == [20, 4]


def test_a_clock_that_steps_back_takes_nothing_away() -> None:
    """The allowance does not shrink when time seems to run backwards."""
    budget = Budget()
    assert budget.allows(post(), 100.0)
    assert sum(budget.allows(post(n), 50.0) for n in range(30)) == 9
