"""What a look ahead's digest covers, and how a change between two looks is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opsbot.runbook.knob_turn import KnobTurn, knob_word, layers_word
from opsbot.runbook.preview import Preview, PreviewStep, changes

STEP = PreviewStep("Resize", "serving.set_batch", "from 32 to 8", ("limit=8",), (KnobTurn("eu-1/batch", "32", "8"),))
LOOK = PreviewStep("Read", "prometheus.query", "reads: 0.93", changes=False)
PLAN = Preview("approve", "apr-1", "“Relieve”", (LOOK, STEP), undo="undo it", who="responders")


def test_what_only_reads_is_no_part_of_the_digest() -> None:
    """A gauge of this second would change it at every look."""
    again = replace(PLAN, steps=(replace(LOOK, does="reads: 0.97"), STEP))
    assert again.digest == PLAN.digest
    assert changes(PLAN, again) == ()


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (
            replace(PLAN, steps=(LOOK, replace(STEP, turns=(KnobTurn("eu-1/batch", "16", "8"),)))),
            "eu-1/batch is 16 now; it was 32.",
        ),
        (
            replace(PLAN, steps=(LOOK, replace(STEP, turns=(KnobTurn("eu-1/batch", "32", "4"),)))),
            "eu-1/batch would become 4; it would have become 8.",
        ),
        (replace(PLAN, steps=(LOOK, replace(STEP, arguments=("limit=4",)))), "“Resize” is done otherwise: limit=4."),
        (replace(PLAN, steps=(LOOK, STEP, replace(STEP, name="Shed"))), "“Shed” would be done too."),
        (replace(PLAN, steps=(LOOK,)), "“Resize” is not done any more."),
        (replace(PLAN, in_the_way=("Ben holds it.",)), "New: Ben holds it."),
        (replace(PLAN, who="commanders"), "Who must consent: commanders; it was responders."),
        (
            replace(PLAN, steps=(LOOK, replace(STEP, turns=(), unread="no answer came"))),
            "“Resize”: no answer came.",
        ),
        (replace(PLAN, undo="nothing takes it back"), "What is done has changed."),
    ],
)
def test_each_change_is_one_sentence(after: Preview, said: str) -> None:
    """With what it was before."""
    assert after.digest != PLAN.digest
    assert said in changes(PLAN, after)


def test_what_is_no_longer_in_the_way_is_told() -> None:
    """The hold was lifted meanwhile."""
    before = replace(PLAN, in_the_way=("Ben holds it.",))
    assert changes(before, PLAN) == ("No longer so: Ben holds it.",)


def test_the_digest_is_shown_short() -> None:
    """Four digits are enough to see that two are not the same."""
    assert PLAN.short_digest == f"{PLAN.digest[:4]}…"
    assert PLAN.as_json()["digest"] == PLAN.digest


def test_values_have_words() -> None:
    """A switch is on or off, and settings side by side are counted."""
    assert [knob_word(one) for one in (8, True, False, None)] == ["8", "on", "off", "none"]
    assert [layers_word(one) for one in (-1, 0, 2)] == ["none in force", "none in force", "2 in force"]
    assert not KnobTurn("k", "8", "8").is_turned
