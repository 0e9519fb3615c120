"""Which verbs open a dialog when they are typed alone, what each asks, and the command that its answers make."""

from __future__ import annotations

from collections.abc import Mapping

from opsbot.slack.forms import Field, Form, Values
from opsbot.slack.lengths import LOAD_TEST


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
            Field("length", "length", "For how long?", options=LOAD_TEST, usual="5m"),
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
    _named("unhold", "Lift it", "hold", "Which hold?"),
)  # fmt: skip
FORMS: Mapping[str, Form] = {form.verb: form for form in _FORMS}
"""By verb; one that is not here needs nothing behind it, has a dialog of its own, or cannot be asked for by a form."""
