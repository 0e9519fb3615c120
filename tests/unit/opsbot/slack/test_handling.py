"""The slash command's verbs about incidents as a whole and silences, as people type them."""

from __future__ import annotations

import pytest

from opsbot.alert.matching import label_match
from opsbot.alert.silence import Silence
from opsbot.errors import ConfigError
from opsbot.incident.explanation import Decision, Explanation
from opsbot.people import Person
from opsbot.slack.handling import VERBS, handle
from opsbot.slack.silence_text import AskedSilence, read_silence
from opsbot.slack.typed import Typed
from tests.support.incident_views import make_view
from tests.support.recorded_commands import RecordedCommands

ANN = Person("U0ONCALL", frozenset({"responder"}))


@pytest.mark.parametrize(
    ("text", "matchers", "reason"),
    [
        ('2h alertname="Slow" because the rack moves', ['alertname="Slow"'], "the rack moves"),
        (
            "2h alertname=Slow, cluster=~eu-.* the rack moves",
            ['alertname="Slow"', 'cluster=~"eu-.*"'],
            "the rack moves",
        ),
        ("2h alertname=“Slow”", ['alertname="Slow"'], ""),
        ('2h severity!="low" Because: of rain', ['severity!="low"'], "of rain"),
        (r'2h path="a\"b" x', [r'path="a\"b"'], "x"),
        ("alertname=Slow for 2 hours because the rack moves", ['alertname="Slow"'], "the rack moves"),
        ("for 120 min alertname=Slow der Schrank zieht um 📦", ['alertname="Slow"'], "der Schrank zieht um 📦"),
    ],
)
def test_a_silence_as_it_is_typed(text: str, matchers: list[str], reason: str) -> None:
    """Quotes may be left out or curly, and `because` may be left out too."""
    assert read_silence(text) == AskedSilence(7200.0, tuple(matchers), reason)
    label_match(matchers)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "how long it lasts"),
        ("soon alertname=X", "how long it lasts"),
        ("2h the rack moves", "by their labels"),
    ],
)
def test_a_silence_that_cannot_be_read_says_how_to_write_it(text: str, said: str) -> None:
    """With an example."""
    with pytest.raises(ConfigError, match=said) as error:
        read_silence(text)
    assert "/ops silence 2h" in str(error.value)


@pytest.mark.parametrize(
    ("verb", "rest", "call"),
    [
        ("resolve", "INC-1 it was a test", ("resolve", "INC-1 it was a test")),
        ("resolve", "inc 1: it was a test", ("resolve", "INC-1 it was a test")),
        ("resolve", "#1 because it was a test", ("resolve", "INC-1 it was a test")),
        ("ack", "incident 1", ("acknowledge", "INC-1")),
        ("unsilence", "sil 1", ("end silence", "SIL-1")),
        ("unsilence", "1", ("end silence", "SIL-1")),
        ("merge", "INC-2 into inc-1", ("merge", "INC-2 INC-1")),
        ("merge", "2 1", ("merge", "INC-2 INC-1")),
        ("unmerge", "INC-2", ("take apart", "INC-2")),
        ("link", "INC-2 INC-1 same rack", ("link", "INC-2 INC-1 same rack")),
        ("link", "INC-2 and INC-1: both in rack 7", ("link", "INC-2 INC-1 both in rack 7")),
        ("silence", "2h alertname=Slow because rain", ("silence", '7200 alertname="Slow" rain')),
        ("unsilence", "SIL-1", ("end silence", "SIL-1")),
    ],
)
async def test_what_is_typed_is_what_is_called(verb: str, rest: str, call: tuple[str, str]) -> None:
    """In the name of whoever typed it."""
    commands = RecordedCommands([make_view()])
    await handle(verb, Typed(rest, ANN), commands)
    assert commands.calls == [(*call, "U0ONCALL")]


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"silences"}))
async def test_a_verb_without_what_it_needs_says_what(verb: str) -> None:
    """With an example of how to type it, and nothing is done."""
    commands = RecordedCommands()
    with pytest.raises(ConfigError, match="/ops "):
        await handle(verb, Typed("", ANN), commands)
    assert commands.calls == []


async def test_silences_say_what_they_hide() -> None:
    """And whose they are; what others wrote is escaped."""
    commands = RecordedCommands()
    assert await handle("silences", Typed("", ANN), commands) == "Nothing is silenced."
    match = label_match(['alertname="Slow"'])
    commands.live_silences = (
        Silence("SIL-1", match, "<!channel> rain", "U0ONCALL", 0.0, 7200.0, num_hidden=7, num_hiding=3),
    )
    text = await handle("silences", Typed("", ANN), commands)
    assert text.startswith('*SIL-1* alertname="Slow" until <!date^7200^')
    assert text.endswith("<@U0ONCALL>: &lt;!channel&gt; rain · hides 3 now, 7 in all")


async def test_why_says_what_was_decided() -> None:
    """Newest last; only the last few of many."""
    commands = RecordedCommands()
    assert "no alert of it reached the bot" in await handle("why", Typed("Slow", ANN), commands)
    decisions = tuple(Decision(60.0 * n, "f", "Slow", "alert.silenced", f"hidden {n}") for n in range(20))
    commands.explanations["Slow"] = Explanation((), decisions)
    lines = (await handle("why", Typed("Slow", ANN), commands)).splitlines()
    assert lines[0] == "The last 15 of 20; `opsbot explain Slow` has all:"
    assert lines[-1].endswith("*Slow* silenced, nobody was paged: hidden 19")
    assert len(lines) == 16
