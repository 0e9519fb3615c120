"""The table of verbs: each exists at both doors with the same meaning, and none is mistaken for another."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.cli import COMMANDS
from opsbot.errors import OpsbotError
from opsbot.slack.verbs import HANDLERS, TABLE
from opsbot.spoken.act import read_act
from opsbot.spoken.hold import read_hold
from opsbot.spoken.ids import incident_and_rest, run_and_rest, silence_name, two_incidents_and_rest
from opsbot.spoken.length import read_length
from opsbot.spoken.plain import key_of, plain
from opsbot.spoken.verbs import BY_NAME, VERBS, find_verb, suggested
from opsbot.utilisation.announced import read_announcement

CLUSTERS = ("eu-1", "eu-2")


def test_every_verb_is_carried_out_in_slack_and_in_a_terminal() -> None:
    """A verb that is added at one door alone fails here."""
    assert HANDLERS.keys() == BY_NAME.keys() == TABLE.keys()
    assert {one.in_command_line for one in VERBS} <= COMMANDS.keys()


@pytest.mark.parametrize("verb", ["batch", "shed", "failwhale", "fallback", "loadtest"])
def test_what_a_terminal_sends_is_what_slack_sends(verb: str) -> None:
    """The words themselves: core reads both by one function."""
    place = COMMANDS[verb].place
    assert place == f"act_command:{verb}"
    for typed, _ in BY_NAME[verb].examples:
        found, rest = find_verb(typed)
        assert found is BY_NAME[verb]
        if rest.startswith("announce "):
            assert read_announcement(rest.removeprefix("announce "), CLUSTERS).cluster == "eu-1"
        elif not rest.startswith("close "):
            assert read_act(verb, rest, CLUSTERS).verb == verb  # type: ignore[arg-type]


def test_no_word_stands_for_two_verbs() -> None:
    """Whatever its case and dashes."""
    words = [key_of(word) or word for one in VERBS for word in {key_of(w) or w: w for w in (one.name, *one.aliases)}]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("text", "name", "rest"),
    [
        ("STATUS", "status", ""),
        ("fail whale eu-1 on", "failwhale", "eu-1 on"),
        ("stop-all why", "stop", "why"),
        ("stop all why", "stop", "why"),
        ("go on", "go-on", ""),
        ("on call", "oncall", ""),
        ("/ack 1", "ack", "1"),
        ("run s", "run", "s"),
        ("runs", "runs", ""),
        ("hold eu-1", "hold", "eu-1"),
        ("holds", "holds", ""),
        ("batches eu-1", "batch", "eu-1"),
        ("?", "help", ""),
    ],
)
def test_a_verb_in_other_words(text: str, name: str, rest: str) -> None:
    """Case, plurals, dashes and synonyms."""
    found, behind = find_verb(text)
    assert found is not None
    assert (found.name, behind) == (name, rest)


@pytest.mark.parametrize(
    ("word", "name"), [("stauts", "status"), ("bacth", "batch"), ("akc", "ack"), ("resovle", "resolve")]
)
def test_a_word_that_is_nearly_a_verb_is_suggested_and_not_taken(word: str, name: str) -> None:
    """Nothing is done by a guess."""
    assert find_verb(word) == (None, word)
    near = suggested(word)
    assert near is not None
    assert near.name == name


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10 min", 600),
        ("2 Stunden", 7200),
        ("1h30", 5400),
        ("1h 30m", 5400),
        ("2d", 172800),
        ("0,5 h", 1800),
        ("quarter of an hour", 900),
        ("1h5", 3900),
    ],
)
def test_a_length(text: str, seconds: float) -> None:
    """Units in words, with commas, without spaces."""
    assert read_length(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "soon", "0m", "1h99999", "10 parsecs", "-5m"])
def test_what_is_no_length_is_refused(text: str) -> None:
    """With how to write one."""
    with pytest.raises(OpsbotError, match="10m"):
        read_length(text)


@pytest.mark.parametrize("text", ["INC-7", "inc 7", "7", "#7", "incident 7", "INC7", "inc_7", "for INC-7"])
def test_an_incident(text: str) -> None:
    """However its number is typed."""
    assert incident_and_rest(f"{text} because of rain", "") == ("INC-7", "of rain")
    assert two_incidents_and_rest(f"{text} into inc 8: rain", "") == ("INC-7", "INC-8", "rain")


def test_a_run_and_a_silence() -> None:
    """Handles whatever their case; whole ids as they are."""
    assert run_and_rest("R-3FA2C1 why not", "") == ("r-3fa2c1", "why not")
    assert run_and_rest("run 3fa2c1", "") == ("r-3fa2c1", "")
    assert run_and_rest("run:set-batch:x:1:1 why", "") == ("run:set-batch:x:1:1", "why")
    assert silence_name("sil 4") == silence_name("4") == silence_name("SIL-4") == "SIL-4"


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("eu-1/batch_limit 1h we measure", ("eu-1/batch_limit", 3600.0, "we measure")),
        ("EU1/batch 1h because we measure", ("eu-1/batch_limit", 3600.0, "we measure")),
        ("eu-1 batch for 30 min", ("eu-1/batch_limit", 1800.0, "")),
        ("eu-1 1h30 we measure", ("eu-1/*", 5400.0, "we measure")),
        ("*/shed 1h x", ("*/shed", 3600.0, "x")),
        ("eu-1 everything we measure for 1h", ("eu-1/*", 3600.0, "we measure")),
    ],
)
def test_a_hold(text: str, held: tuple[str, float, str]) -> None:
    """A knob or all of them, in any order."""
    assert read_hold(text, CLUSTERS) == held


def test_a_hold_of_a_cluster_that_is_nearly_right_is_suggested() -> None:
    """And not set."""
    with pytest.raises(OpsbotError, match="did you mean `eu-1`"):
        read_hold("eu-11/shed 1h x", CLUSTERS)


@given(st.text(max_size=60))
def test_reading_raises_nothing_but_sentences(text: str) -> None:
    """Whatever is typed behind a verb."""
    for read in (
        lambda: read_hold(text, CLUSTERS),
        lambda: read_length(text),
        lambda: incident_and_rest(text, "x `ack INC-1`"),
        lambda: two_incidents_and_rest(text, "x `merge 1 2`"),
        lambda: run_and_rest(text, "x `undo r-1`"),
        lambda: find_verb(plain(text)),
    ):
        with suppress(OpsbotError):
            read()


def test_what_slack_adds_is_taken_away() -> None:
    """Links, people, escapes, backticks, unseen characters; letters of any script stay."""
    assert plain("ack `INC-1` <@U0ANNA|anna> <https://x.y|x.y> &lt;b&gt; \u202eגדול 👍 „ja“") == (
        'ack INC-1 anna x.y <b> גדול 👍 "ja"'
    )
