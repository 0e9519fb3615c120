"""Many entries in one reply, and what a message says about itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opsbot.incident.timeline import TimelineEntry
from opsbot.notify.outbox import Late
from opsbot.slack.limits import MAX_MESSAGE_TEXT
from opsbot.slack.many_entries import IMPORTANT, many_entries
from tests.support.incident_views import OPENED_AT, make_entry

AWAY = Late(720, "Slack could not be reached")


def entries(*kinds: str) -> list[TimelineEntry]:
    """One of each kind, a minute apart."""
    return [
        make_entry(f"e{number}", f"Fact {number}.", kind=kind, at=OPENED_AT + 60 * number)
        for number, kind in enumerate(kinds)
    ]


def test_what_matters_is_in_full_and_the_rest_is_counted() -> None:
    """With the time of each, and where to read all of it."""
    given = entries("step.acted", "step.acted", "step.failed", "alert.joined", "run.needs_person")
    reply = many_entries(given, AWAY, is_over=False)
    assert reply.text == (
        "*5 entries while Slack could not be reached*, <!date^1790000000^{time}|14:13 UTC> to "
        "<!date^1790000240^{time}|14:17 UTC>\n"
        "• <!date^1790000120^{time}|14:15 UTC> Fact 2.\n"
        "• <!date^1790000240^{time}|14:17 UTC> Fact 4.\n"
        "… and 3 more: 2 × step acted, 1 × alert joined\n"
        "All of it: `opsbot incident INC-1`"
    )
    assert not reply.is_broadcast


def test_nobody_is_woken_for_what_is_over() -> None:
    """A mention of an hour ago is shown as text, and the channel is not told."""
    woken = make_entry("e1", "@U0ANNA: you are on call", kind="escalation.notified", is_broadcast=True)
    live, over = (many_entries([woken, woken], AWAY, is_over=is_over) for is_over in (False, True))
    assert ("<@U0ANNA>" in live.text, live.is_broadcast) == (True, True)
    assert ("<@" in over.text, over.is_broadcast) == (False, False)


@given(
    st.lists(
        st.builds(
            make_entry,
            st.uuids().map(str),
            st.text(max_size=5000),
            kind=st.sampled_from([*IMPORTANT, "step.acted", "a.b_c"]),
            is_broadcast=st.booleans(),
        ),
        min_size=1,
        max_size=80,
    ),
    st.booleans(),
    st.sampled_from([None, AWAY, Late(1, "x" * 5000)]),
)
def test_it_always_fits(given: list[TimelineEntry], is_over: bool, late: Late | None) -> None:
    """Whatever is in it; every entry is shown or counted, and nothing from outside pings."""
    reply = many_entries(given, late, is_over=is_over)
    assert len(reply.text) <= MAX_MESSAGE_TEXT
    assert "<!channel" not in reply.text
    assert "<!here" not in reply.text
    shown = reply.text.count("\n• <!date^")
    counted = next((line for line in reply.text.split("\n") if line.startswith("… and ")), None)
    rest = 0 if counted is None else int(counted.split()[2])
    assert shown + rest >= len(given)
