"""What is wrong with a value, in the words of whoever wrote the file: what is needed, and what stands there instead.

The validator's own words are about its types; nobody who edits YAML at night should have to know them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Error = Mapping[str, Any]
"""One of `pydantic.ValidationError.errors()`."""

_NEEDED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_LIMITS: Mapping[str, tuple[str, str]] = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_TAB = "a tab cannot indent; use spaces"
_YAML_HINTS: Mapping[str, str] = {
    "found character that cannot start any token": "text cannot begin with this character; put it in quotes",
    "mapping values are not allowed in this context": "a `: ` within text; put the text in quotes",
    "did not find expected ',' or '}'": "`,` or `}` is expected here: is `{` not closed, or a text not in quotes?",
    "did not find expected ',' or ']'": "`,` or `]` is expected here: is `[` not closed, or a text not in quotes?",
    "but found another document": "`---` begins another document; a file holds one",
    "found unexpected end of stream": "the quote that begins here is not closed",
    "did not find expected key": "a key is expected here; is a quote before it not closed, or the indentation off?",
    "did not find expected '-' indicator": "an item with `- ` is expected here; is the indentation off?",
}


class KeyProblem(ValueError):
    """A mapping is wrong because of one of its keys, and that is where the problem is shown.

    Args:
        key: as it is written.
        at_key: whether the key itself should not be there, rather than its value.
    """

    def __init__(self, key: str, message: str, *, at_key: bool = False) -> None:
        super().__init__(message)
        self.key = key
        self.at_key = at_key


def suggest(word: str, candidates: Iterable[str]) -> str:
    """`, did you mean 'x'?` for the nearest candidate; empty when none is near."""
    import difflib

    near = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.6)
    return f", did you mean {near[0]!r}?" if near else ""


def shown(value: object) -> str:
    """A value as the author knows it, short: YAML's `true`, not Python's."""
    if isinstance(value, Mapping) and value:
        return "a mapping"
    if isinstance(value, list) and value:
        return "a list"
    text = json.dumps(value) if isinstance(value, bool) or value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def yaml_words(problem: str, is_at_tab: bool) -> str:
    """The YAML reader's complaint, with what to do about it where it is a common one."""
    return _TAB if is_at_tab else _YAML_HINTS.get(problem, problem)


def needed(error: Error) -> str:
    """What type is needed; empty where the type is not what is wrong."""
    return _NEEDED.get(error["type"], "")


def message(error: Error, keys: Callable[[], Sequence[str]] = tuple) -> str:
    """What is wrong with the value of *error*.

    Args:
        keys: answers what a mapping in this place may have; asked only where a mapping is missing.
    """
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    if kind in _NEEDED:
        return _wrong_type(_NEEDED[kind], value, keys)
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        verb = "needed" if key in ("gt", "ge") else "allowed"
        return f"{words} {context[key]:g} is {verb}, not {shown(value)}"
    match kind:
        case "literal_error" | "enum":
            return _none_of(str(context["expected"]), value)
        case "value_error":
            return str(context["error"])
        case "string_too_short" | "too_short":
            least = context["min_length"]
            what = "it must not be empty" if kind == "string_too_short" else "at least one is needed"
            return what if least == 1 else f"at least {least} are needed"
        case "string_too_long":
            return f"at most {context['max_length']} characters are allowed, and there are {len(value)}"
        case "too_long":
            return f"at most {context['max_length']} are allowed, and there are {len(value)}"
        case _:
            text = str(error["msg"]).removeprefix("Input ")
            return f"{text[:1].lower()}{text[1:]}, not {shown(value)}"


def one_of(errors: Sequence[Error], keys: Callable[[], Sequence[str]] = tuple) -> str:
    """What is wrong with a value that may be of several types, and is wrong for each of them."""
    # Where the type fits and the value does not, the other types are not what the author meant.
    fitting = [error for error in errors if not needed(error)]
    if fitting:
        return message(fitting[-1], keys)
    wanted = list(dict.fromkeys(needed(error) for error in errors))
    listed = " or ".join(part for part in (", ".join(wanted[:-1]), wanted[-1]) if part)
    return f"{listed} is needed, not {shown(errors[0]['input'])}"


def _wrong_type(wanted: str, value: object, keys: Callable[[], Sequence[str]]) -> str:
    hint = ""
    if wanted == "text" and isinstance(value, bool | int | float):
        hint = "; put it in quotes if it is meant as text"
    elif wanted == "a list" and isinstance(value, Mapping):
        hint = "; begin each item with `- `"
    elif wanted == "a list" and isinstance(value, str):
        hint = f"; write `[{value}]`" if len(value) <= 40 and value.isprintable() else "; write `[…]`"
    elif wanted == "a mapping" and (known := keys()):
        hint = f"; its keys are {', '.join(f'`{key}`' for key in known)}"
    elif wanted == "true or false" and isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
        hint = f"; write {'true' if value.lower() in ('yes', 'on') else 'false'}"
    elif wanted in ("a whole number", "a number") and isinstance(value, str) and re.fullmatch(r"[0-9.]+", value):
        hint = "; write it without quotes"
    return f"{wanted} is needed, not {shown(value)}{hint}"


def _none_of(wanted: str, value: object) -> str:
    choices = re.findall(r"'([^']*)'", wanted)
    if not choices and " or " not in wanted:
        quoted = "; write it without quotes" if str(value) == wanted else ""
        return f"{wanted} is needed, not {shown(value)}{quoted}"
    return f"{shown(value)} is none of {wanted}{suggest(str(value), choices)}"
