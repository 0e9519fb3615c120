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

from opsbot.slack.picks import NOTHING, SOURCES, Pick, option, select
from opsbot.slack.press import Answer
from opsbot.slack.seat import Seat
from opsbot.slack.text import escape, mrkdwn, plain
from opsbot.slack.typed import Typed
from opsbot.spoken.verbs import BY_NAME

FORM = "ops.form"
READ_WITHIN_S = 1.0
"""What a hint says of now must be read by then: Slack opens a dialog for three seconds after the command."""
LENGTHS = ("10m", "15m", "30m", "1h", "2h", "4h")
KNOBS = ("*", "batch_limit", "token_budget", "shed", "failwhale", "fallback_prompt", "drain", "fence", "route")
MAX_REASON = 500
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
        case "length" | "one":
            options = [option(Pick(one, one)) for one in (field.options or LENGTHS)]
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


def _because(values: Values) -> str:
    reason = " ".join(values.get("reason", "").split())
    return f" because {reason}" if reason else ""


def _for(values: Values) -> str:
    return f" for {values['length']}" if values.get("length") else ""


def _quoted(text: str) -> str:
    return '"' + " ".join(text.replace('"', "'").split()) + '"'


def _cluster(label: str = "Which cluster?") -> Field:
    return Field("cluster", "cluster", label)


def _why(label: str = "Why? The next reader was not there", *, is_optional: bool = False) -> Field:
    return Field("reason", "text", label, is_optional=is_optional)


def _length(usual: str) -> Field:
    return Field("length", "length", "For how long?", "It is given back by itself then.", usual=usual)


def _of(kind: str, label: str) -> Field:
    return Field("name", kind, label)


def _named(verb: str, submit: str, kind: str, label: str, *more: Field) -> Form:
    return Form(verb, submit, (_of(kind, label), *more), lambda values: f"{values['name']}{_because(values)}")


def _run(values: Values) -> str:
    cluster = f" cluster={values['cluster']}" if values.get("cluster") else ""
    incident = f" for {values['incident']}" if values.get("incident") else ""
    inputs = f" {' '.join(values.get('inputs', '').split())}" if values.get("inputs") else ""
    return f"{values['name']}{cluster}{inputs}{incident}"


_FORMS = (
    _named("ack", "Take it", "unacknowledged", "Which incident?"),
    _named("resolve", "Resolve", "incident", "Which incident?", _why("Why is it over?")),
    Form(
        "note",
        "Add",
        (_of("incident", "Which incident?"), Field("note", "text", "What should the next reader know?")),
        lambda values: f"{values['name']} {' '.join(values['note'].split())}",
    ),
    _named("why", "Say why", "incident", "Which incident?"),
    Form(
        "merge",
        "Merge",
        (_of("incident", "Which incident?"), Field("into", "incident", "Into which?")),
        lambda values: f"{values['name']} into {values['into']}",
    ),
    Form(
        "link",
        "Link",
        (_of("incident", "Which incident?"), Field("into", "incident", "With which?"), _why()),
        lambda values: f"{values['name']} {values['into']}{_because(values)}",
    ),
    Form(
        "silence",
        "Silence",
        (
            Field("matchers", "text", "Which alerts, by their labels?", 'alertname="TargetDown" cluster="eu-1"'),
            _length("1h"),
            _why(),
        ),
        lambda values: f"{values['length']} {' '.join(values['matchers'].split())}{_because(values)}",
    ),
    _named("unsilence", "End it", "silence", "Which silence?"),
    Form(
        "batch",
        "Set it",
        (
            _cluster(),
            Field("limit", "number", "How many sequences at once?", "Lower than what it is now.", low=1, high=65536),
            _length("30m"),
            _why(is_optional=True),
        ),
        lambda values: f"{values['cluster']} {values['limit']}{_for(values)}{_because(values)}",
    ),
    Form(
        "shed",
        "Turn away",
        (
            _cluster(),
            Field(
                "percent", "number", "How many of a hundred callers?",
                "They get a 429 and come back; from 50 on a second person agrees.", usual="10", low=1, high=100,
            ),
            _length("15m"),
            _why(is_optional=True),
        ),
        lambda values: f"{values['cluster']} {values['percent']}%{_for(values)}{_because(values)}",
    ),
    Form(
        "failwhale",
        "Ask for it",
        (_cluster(), _length("30m"), _why()),
        lambda values: f"{values['cluster']} on{_for(values)}{_because(values)}",
    ),
    Form(
        "fallback",
        "Ask for it",
        (
            _cluster(),
            Field("who", "one", "What names them?", options=("tenant", "key", "client", "account"), usual="tenant"),
            Field("whose", "text", "Whose callers?"),
            _length("1h"),
            _why(),
        ),
        lambda values: (
            f"{values['cluster']} {values['who']}={_quoted(values['whose'])}{_for(values)}{_because(values)}"
        ),
    ),
    Form(
        "loadtest",
        "Ask for it",
        (
            _cluster(),
            Field("rate", "decimal", "How many requests a second?", usual="5", low=0.1, high=1000),
            Field("length", "length", "For how long?", options=("1m", "2m", "5m", "10m"), usual="5m"),
            Field("expect", "text", "What do you expect?", "The result is compared with it."),
        ),
        lambda values: (
            f"{values['cluster']} {values['rate']}rps{_for(values)} expect {' '.join(values['expect'].split())}"
        ),
    ),
    Form(
        "run",
        "Start it",
        (
            _of("runbook", "Which runbook?"),
            Field("cluster", "cluster", "On which cluster?", is_optional=True),
            Field("incident", "incident", "For which incident?", "Without one it gets its own.", is_optional=True),
            Field("inputs", "text", "Inputs", "name=value name=value; others have their defaults", is_optional=True),
        ),
        _run,
    ),
    _named("pause", "Pause", "run", "Which run?", _why()),
    _named("resume", "Go on", "run", "Which run?"),
    _named("cancel", "Cancel it", "run", "Which run?", _why()),
    _named("undo", "Take it back", "undoable", "Which run?"),
    _named("approve", "Approve", "approval", "Which one?"),
    _named("refuse", "Refuse", "approval", "Which one?"),
    _named("glass", "Approve alone", "approval", "Which one?", _why()),
    _named("object", "Object", "announcement", "To what?", _why()),
    _named("go-now", "Do it now", "announcement", "What?"),
    _named("offer", "I have capacity", "announcement", "For what?"),
    Form("stop", "Stop all runs", (_why("Why is everything stopped?"),), lambda values: _because(values).strip()),
    Form(
        "hold",
        "Hold",
        (
            _cluster(),
            Field("knob", "one", "Which knob?", "* is every knob.", options=KNOBS, usual="*"),
            _length("1h"),
            _why(),
        ),
        lambda values: f"{values['cluster']}/{values['knob']} {values['length']}{_because(values)}",
    ),
    _named("unhold", "Lift it", "hold", "Which hold?"),
)  # fmt: skip
FORMS: Mapping[str, Form] = {form.verb: form for form in _FORMS}
"""By verb; one that is not here needs nothing behind it, or cannot be asked for by a form."""
