"""The dialog that a verb opens when it is typed alone: what it asks, and the command that the answers make.

A dialog has no way of its own: it writes the command that could have been typed, so both mean the same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from slack_sdk.models.blocks import (
    Block,
    InputBlock,
    InputInteractiveElement,
    NumberInputElement,
    PlainTextInputElement,
    PlainTextObject,
    SectionBlock,
    StaticSelectElement,
)
from slack_sdk.models.views import View

from opsbot.slack.lengths import CHANGE, length_select
from opsbot.slack.limits import MAX_REASON
from opsbot.slack.picks import NOTHING, SOURCES, Pick, option, select
from opsbot.slack.press import Answer
from opsbot.slack.seat import Seat
from opsbot.slack.text import escape, mrkdwn, plain
from opsbot.slack.typed import Typed
from opsbot.spoken.verbs import BY_NAME

FORM = "ops.form"
READ_WITHIN_S = 1.0
"""What a hint says of now must be read by then: Slack opens a dialog for three seconds after the command."""
MAX_HINT = 150

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is asked.

    Args:
        name: the block's id, and the value's name.
        kind: of `SOURCES`; or `number`, `decimal`, `length`, `text`, `one` of *options*.
        usual: what is filled in; of a length the one chosen.
    """

    name: str
    kind: str
    label: str
    hint: str = ""
    is_optional: bool = False
    options: Sequence[str] = ()
    usual: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """The dialog of one verb.

    Args:
        submit: on the button; a verb.
        writes: what the answers make, to be typed behind the verb.
    """

    verb: str
    submit: str
    fields: Sequence[Field]
    writes: Callable[[Values], str]

    async def view(self, seat: Seat, typed: Typed) -> Answer:
        """The dialog; a sentence where there is nothing to pick."""
        picks: dict[str, Sequence[Pick]] = {}
        for field in self.fields:
            if field.kind in SOURCES:
                picks[field.name] = await SOURCES[field.kind](seat)
                if not picks[field.name] and not field.is_optional:
                    return NOTHING[field.kind]
        hints = await _hints(seat) if any(field.name == "limit" for field in self.fields) else ""
        words = BY_NAME[self.verb]
        blocks: list[Block] = [SectionBlock(block_id="what", text=mrkdwn(_head(words.says, words.typed)))]
        for field in self.fields:
            if field.kind not in SOURCES or picks[field.name]:
                blocks.append(_input(field, picks.get(field.name, ()), hints))
        where = {"verb": self.verb, "channel": typed.channel, "thread_ts": typed.thread_ts}
        return View(
            type="modal",
            callback_id=FORM,
            private_metadata=json.dumps(where),
            title=PlainTextObject(text=self.verb.capitalize()),
            submit=PlainTextObject(text=self.submit),
            close=PlainTextObject(text="Not now"),
            blocks=blocks,
        )


def _head(says: str, typed: str) -> str:
    return f"{escape(says[:1].upper() + says[1:])}.\nTyped it is `/ops {escape(typed)}`."


def _input(field: Field, picks: Sequence[Pick], hints: str) -> InputBlock:
    hint = (hints if field.name == "limit" else "") or field.hint
    return InputBlock(
        block_id=field.name,
        label=PlainTextObject(text=field.label),
        hint=PlainTextObject(text=plain(hint, MAX_HINT)) if hint else None,
        optional=field.is_optional,
        element=_element(field, picks),
    )


def _element(field: Field, picks: Sequence[Pick]) -> InputInteractiveElement:
    match field.kind:
        case "number" | "decimal":
            return NumberInputElement(
                action_id=field.name,
                is_decimal_allowed=field.kind == "decimal",
                min_value=None if field.low is None else f"{field.low:g}",
                max_value=None if field.high is None else f"{field.high:g}",
                initial_value=field.usual or None,
            )
        case "length":
            return length_select(field.name, field.options or CHANGE, field.usual)
        case "one":
            options = [option(Pick(one, one)) for one in field.options]
            chosen = next((one for one in options if one.value == field.usual), None)
            return StaticSelectElement(action_id=field.name, options=options, initial_option=chosen)
        case "text":
            return PlainTextInputElement(
                action_id=field.name,
                max_length=MAX_REASON,
                multiline=field.name in ("reason", "note"),
                initial_value=field.usual or None,
            )
    return select(field.kind, picks, field.name)


async def _hints(seat: Seat) -> str:
    """The batch limits now, of a few clusters; nothing where that takes long."""
    if seat.fleet is None:
        return ""
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            fleet = await seat.fleet.fleet()
    except TimeoutError:
        return ""
    known = [one for one in fleet.clusters.values() if one.batch_limit is not None]
    return "Now: " + ", ".join(f"{one.cluster} {one.batch_limit:g}" for one in known[:8]) if known else ""
