"""Text as Slack reads it."""

from __future__ import annotations

import pytest

from opsbot.slack.text import clock_time, date, duration, escape, person, shorten, with_people


def test_mentions_and_links_from_outside_are_only_text() -> None:
    """A title cannot page the channel or hide an address."""
    assert escape("<!channel> & <http://x|safe>") == "&lt;!channel&gt; &amp; &lt;http://x|safe&gt;"


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [("short", 5, "short"), ("too long", 5, "too…"), ("abcdef", 4, "abc…")],
)
def test_shortened_text_shows_that_it_is(text: str, limit: int, expected: str) -> None:
    """What is cut ends in an ellipsis and fits."""
    assert shorten(text, limit) == expected


def test_dates_are_shown_in_the_readers_time_zone() -> None:
    """Slack's date token with UTC for clients that do not know it."""
    assert date(1_790_000_000.5) == "<!date^1790000000^{date_short_pretty} at {time}|2026-09-21 14:13 UTC>"
    assert clock_time(1_790_000_000.5) == "<!date^1790000000^{time}|14:13 UTC>"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-3.0, "0 s"), (0.4, "0 s"), (45.0, "45 s"), (150.0, "2 min"), (754.0, "13 min"), (11_100.0, "3 h 05 min")],
)
def test_lengths_of_time_read_as_people_say_them(seconds: float, expected: str) -> None:
    """Seconds, then minutes, then hours."""
    assert duration(seconds) == expected


def test_only_slack_users_become_mentions() -> None:
    """A CLI user has no Slack name to show."""
    assert person("U0ONCALL") == "<@U0ONCALL>"
    assert person("cli:<ops>") == "cli:&lt;ops&gt;"


def test_only_the_actor_is_mentioned_in_a_sentence() -> None:
    """The actor's id becomes a name; any other text is left as it is."""
    text = "U0ONCALL acknowledged <@U0OTHER>, not U0ONCALLS"
    assert with_people(text, "U0ONCALL") == "<@U0ONCALL> acknowledged &lt;@U0OTHER&gt;, not U0ONCALLS"
    assert with_people("opsbot opened it", "opsbot") == "opsbot opened it"
