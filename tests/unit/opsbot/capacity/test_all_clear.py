"""Whether the end of an alert is an all-clear: growing loads are not, steady and falling ones are."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable

import pytest

from opsbot.alert.alert import Alert, AlertState
from opsbot.alert.all_clear import ALL_CLEAR_ANNOTATION, Question, question_of, to_annotation
from opsbot.capacity.all_clear import Verdict, judge, step_s

QUESTION = Question("load", 1.0)
NOW = 1_790_000_000.0
LABELS = {"alertname": "Slow", "cluster": "eu-1", "severity": "low"}


def verdict(load: Callable[[float], float], *, hours: float = 4.0, question: Question = QUESTION) -> Verdict:
    """On a load of *hours*, as a function of hours before now, with 2% of scatter."""
    scatter = random.Random(7)
    step = step_s(question)
    num_points = int(hours * 3600 / step)
    points = [
        (NOW - step * ago, load(step * ago / 3600) * math.exp(scatter.gauss(0, 0.02)))
        for ago in range(num_points, -1, -1)
    ]
    return judge([({"cluster": "eu-1"}, points)], LABELS, question, NOW)


def test_a_load_that_meets_its_capacity_soon_is_no_all_clear() -> None:
    """Three quarters full and a fifth more each hour: full in an hour and a half."""
    found = verdict(lambda ago: 0.76 * 1.2**-ago)
    assert not found.is_clear
    assert found.meets_at is not None
    assert found.meets_at - NOW == pytest.approx(1.5 * 3600, rel=0.25)
    assert found.reason.startswith("Not an all-clear: the load is at 7")
    assert "grows 1.2-fold an hour and meets capacity around" in found.reason


@pytest.mark.parametrize("growth", [1.0, 0.8])
def test_a_steady_or_falling_load_is_clear(growth: float) -> None:
    """However full."""
    assert verdict(lambda ago: 0.8 * growth**-ago).is_clear


def test_a_slow_growth_is_clear() -> None:
    """Two percent an hour meet capacity in fourteen hours, and the question asks for four."""
    found = verdict(lambda ago: 0.76 * 1.02**-ago)
    assert found.is_clear
    assert "its trend does not meet capacity" in found.reason


def test_a_load_at_capacity_is_not_clear_whatever_its_trend() -> None:
    """It cannot grow any more."""
    found = verdict(lambda ago: 1.1)
    assert not found.is_clear
    assert re.fullmatch(r"It is at capacity: 1[01]\d% of 100%", found.reason)


def test_a_few_minutes_say_nothing_about_hours() -> None:
    """They look ahead as far as they go back, twice over."""
    question = Question("load", 1.0, look_back_s=900.0)
    assert verdict(lambda ago: 0.3 * 2.0**-ago, hours=0.25, question=question).is_clear


def test_what_cannot_be_told_is_said() -> None:
    """The alert itself has ended on data that was there."""
    assert judge([], LABELS, QUESTION, NOW) == Verdict(True, "No trend can be told: there are no readings of the load")
    few = judge([({}, [(NOW - 180, 0.5), (NOW, 0.6)])], LABELS, QUESTION, NOW)
    assert (few.is_clear, few.reason) == (True, "No trend can be told from 2 readings of the load")


def test_only_series_that_agree_with_the_alert_count() -> None:
    """Another cluster's trend is not this one's."""
    full = [(NOW, 2.0)]
    assert judge([({"cluster": "us-1"}, full)], LABELS, QUESTION, NOW).is_clear
    assert not judge([({"cluster": "eu-1", "model_name": "m"}, full)], LABELS, QUESTION, NOW).is_clear


def test_a_limit_above_one_is_a_number() -> None:
    """Tokens a minute are no percentage."""
    found = judge([({}, [(NOW, 1200.0)])], LABELS, Question("load", 1000.0), NOW)
    assert found.reason == "It is at capacity: 1,200 of 1,000"


def test_the_question_passes_through_an_annotation() -> None:
    """What cannot be read asks nothing."""

    def asked(text: str) -> Question | None:
        return question_of(Alert(LABELS, {ALL_CLEAR_ANNOTATION: text}, AlertState.FIRING, NOW))

    assert asked(to_annotation(QUESTION)) == QUESTION
    for text in (
        "",
        "[]",
        "{}",
        '{"expr": 1, "limit": 1}',
        '{"expr": "x", "limit": -1}',
        '{"expr": "x", "limit": "y"}',
    ):
        assert asked(text) is None
