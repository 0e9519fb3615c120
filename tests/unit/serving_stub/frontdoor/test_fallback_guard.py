"""A fallback answer holds to its file whatever the model says, in one piece or in many."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving_stub.frontdoor.fallback_guard import Guard
from serving_stub.frontdoor.prompt_library import FallbackPrompt
from tests.support.fallback_layers import prompt

MEOW = {"expect_regex": r"(?i)^\W*meow", "refusal_text": "Meow, no."}
CAT = prompt(**MEOW, answer_prefix="Meow! ", max_chars=40)
STRICT = prompt(expect_regex=r"^Meow\b", max_chars=40)
FORBIDDING = prompt(forbid_regex="(?i)paris", max_chars=40)
PLAIN = prompt(max_chars=40)


def answer(of: FallbackPrompt, *pieces: str) -> str:
    """What the caller reads when the model says *pieces*."""
    guard = Guard(of)
    return "".join(guard.push(piece) for piece in pieces) + guard.finish()


@pytest.mark.parametrize(
    ("file", "pieces", "expected"),
    [
        (CAT, ["Meow, hello."], "Meow, hello."),
        (CAT, ["me", "ow, ", "hello."], "meow, hello."),
        (CAT, [" Me", "ow."], "Meow."),
        (CAT, ["The ", "airspeed"], "Meow! The airspeed"),
        (CAT, ["a" * 100], "Meow! " + "a" * 34),
        (CAT, ["Me"], "Meow! Me"),
        (CAT, [""], "Meow, no."),
        (CAT, [], "Meow, no."),
        (STRICT, ["Meow, hello."], "Meow, hello."),
        (STRICT, ["Meow", "ing is loud."], "Meow, no."),
        (STRICT, ["Meow"], "Meow"),
        (STRICT, ["Hello."], "Meow, no."),
        (FORBIDDING, ["It is Rome."], "It is Rome."),
        (FORBIDDING, ["It is Pa", "ris."], "Meow, no."),
        (PLAIN, ["x" * 100], "x" * 40),
        (PLAIN, ["  ", "\n"], "Meow, no."),
    ],
)
def test_an_answer_fits_its_file(file: FallbackPrompt, pieces: list[str], expected: str) -> None:
    """Begun, cut, or replaced as the file says."""
    assert answer(file, *pieces) == expected


def test_text_goes_out_as_soon_as_it_is_sure_to_fit() -> None:
    """A stream waits for its beginning only."""
    guard = Guard(STRICT)
    assert [guard.push(piece) for piece in ("Me", "ow", ",", " hello")] == ["", "", "Meow,", " hello"]


def test_with_something_forbidden_all_is_held() -> None:
    """What is forbidden may still come, so nothing goes out before the end."""
    guard = Guard(FORBIDDING)
    assert guard.push("It is Rome.") == ""
    assert guard.finish() == "It is Rome."


def test_after_the_cut_nothing_follows() -> None:
    """The caller's finish reason is `length`, and what the model goes on to say is lost."""
    guard = Guard(PLAIN)
    assert guard.push("x" * 41) == "x" * 40
    assert (guard.is_closed, guard.is_cut) == (True, True)
    assert guard.push("more") + guard.finish() == ""


@settings(max_examples=300)
@given(
    file=st.sampled_from([CAT, STRICT, FORBIDDING, PLAIN]),
    pieces=st.lists(st.sampled_from(["Meow", "me", "ow", " ", "ing", "!", "Paris", "pa", "ris", "x" * 15, "\n", "é"])),
)
def test_pieces_add_up_to_the_whole(file: FallbackPrompt, pieces: list[str]) -> None:
    """Streamed or not, the caller reads the same, and it fits."""
    streamed = answer(file, *pieces)
    assert streamed == answer(file, "".join(pieces))
    assert file.fits(streamed)
