"""What must hold before the end of an alert is an all-clear: its load's trend does not meet its capacity soon.

A page that resolves itself says that a number went down, not that it stays down. A rule may say what to look at:
`all_clear` becomes one annotation of the alert, so that it survives whatever door the alert comes through.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from opsbot.alert.alert import Alert

ALL_CLEAR_ANNOTATION = "opsbot_all_clear"
WITHIN_S = 4 * 3600.0
LOOK_BACK_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask once the alert has ended.

    Args:
        expr: PromQL of the load; of several series, the one that agrees with the alert's labels counts.
        limit: the value at which capacity is met.
        within_s: how far ahead one looks.
        look_back_s: how much history the trend is taken from.
    """

    expr: str
    limit: float
    within_s: float = WITHIN_S
    look_back_s: float = LOOK_BACK_S


def to_annotation(question: Question) -> str:
    """The question as an annotation's text."""
    return json.dumps(asdict(question), sort_keys=True)


def question_of(alert: Alert) -> Question | None:
    """The question that *alert* carries; None without one, or if it cannot be read."""
    text = alert.annotations.get(ALL_CLEAR_ANNOTATION)
    if text is None:
        return None
    try:
        question = Question(**json.loads(text))
        numbers = (question.limit, question.within_s, question.look_back_s)
        is_sound = isinstance(question.expr, str) and all(number > 0 for number in numbers)
    except (TypeError, ValueError):
        return None
    return question if is_sound else None
