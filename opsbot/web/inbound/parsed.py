"""What a parser makes of a body, and what all parsers ask of labels, texts and times.

Labels are identity: one that cannot be kept refuses its alert. Texts for people are cut instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from opsbot.alert.inbound import InboundEvent

MAX_LABELS = 64
MAX_LABEL_CHARS = 1024
MAX_ANNOTATIONS = 64
MAX_TEXT_CHARS = 8192
MAX_PLACE_CHARS = 120
LATEST_S = 4102444800.0
"""2100-01-01; times outside of 1970 to here are some other number than a time."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The events of a body in their order, and one line for each that was rejected."""

    events: tuple[InboundEvent, ...]
    rejected: tuple[str, ...] = ()


def parse_each(items: Sequence[object], key: str, to_event: Callable[[object], InboundEvent]) -> Parsed:
    """Each of *items* for itself; *key* is the list's name in the body. One that is wrong never drops the others."""
    events: list[InboundEvent] = []
    rejected: list[str] = []
    for index, item in enumerate(items):
        try:
            events.append(to_event(item))
        except ValidationError as error:
            rejected.append(f"{key}[{index}].{describe(error)}")
    return Parsed(tuple(events), tuple(rejected))


def describe(error: ValidationError) -> str:
    """The first thing that is wrong, as `place: what`, on one line and without the value."""
    first: Any = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]).encode("unicode_escape").decode()
    return f"{place[:MAX_PLACE_CHARS]}: {first['msg']}"


def check_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """*labels*, if they can be kept as they are.

    Raises: ValueError.
    """
    if len(labels) > MAX_LABELS:
        raise ValueError(f"{len(labels)} labels; at most {MAX_LABELS}")
    for name, value in labels.items():
        if len(name) > MAX_LABEL_CHARS or len(value) > MAX_LABEL_CHARS:
            raise ValueError(f"a label is longer than {MAX_LABEL_CHARS} characters")
        if "\0" in name or "\0" in value:
            raise ValueError("a label has a NUL character")
    return dict(labels)


def cut_text(text: str) -> str:
    """*text* as people can read it, at most 8,192 characters."""
    plain = text.replace("\0", "")
    return plain if len(plain) <= MAX_TEXT_CHARS else plain[: MAX_TEXT_CHARS - 1] + "…"


def cut_annotations(annotations: Mapping[str, str]) -> dict[str, str]:
    """The first 64 annotations, each cut; `opsbot_` ones and the title are never among those left out."""
    ranked = sorted(annotations, key=lambda name: not name.startswith("opsbot_") and name != "summary")
    return {cut_text(name)[:MAX_LABEL_CHARS]: cut_text(annotations[name]) for name in ranked[:MAX_ANNOTATIONS]}


def check_moment(moment: datetime) -> datetime:
    """*moment*, if it is one that an alert can begin at.

    Raises: ValueError.
    """
    if moment.tzinfo is None:
        raise ValueError("a time zone is missing")
    if not 0 <= moment.timestamp() < LATEST_S:
        raise ValueError("must be between 1970 and 2100")
    return moment
