"""What is wrong with an expression, in the words of whoever wrote it, and at which character."""

from __future__ import annotations

import re
from collections.abc import Mapping

from opsbot.errors import OpsbotError

_POSITION = re.compile(r"<input>:(\d+):(\d+): (.*?)(?: \(in container .*?\))?(?: \[INVALID_ARGUMENT\])?(?:\n|$)")
_UNDEFINED = re.compile(r"undeclared reference to '([^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '\((.*)\)'")
_UNEXPECTED = re.compile(r"(?:mismatched|extraneous) input '(.*?)' expecting")
_UNREADABLE = re.compile(r"token recognition error at: '(.*)'")
_INSTEAD: Mapping[str, str] = {"and": "&&", "or": "||", "not": "!", "is": "==", "=": "==", "&": "&&", "|": "||"}
"""What people write who come from Python, SQL or Jinja."""
_TYPE_NAMES: Mapping[str, str] = {
    "int": "a whole number",
    "string": "text",
    "bool": "true or false",
    "double": "a number",
}


class ExpressionError(OpsbotError):
    """An expression cannot be compiled or evaluated.

    Args:
        line, column: 1-based, within *text*.
        text: the expression, or the piece of a template, that is wrong; empty where only a value is.
        name: the name that is not defined, if that is what is wrong.
    """

    def __init__(self, message: str, line: int = 1, column: int = 1, text: str = "", name: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.text = text
        self.name = name


_NO_KEY = re.compile(r'Key not found in map : "(.*)"')


def without_value(said: str) -> str:
    """Why an expression has no value, in words that say what to do."""
    absent = _NO_KEY.search(said)
    if absent:
        key = absent[1]
        return f"there is no {key!r} in it; give it one (an alert's label, `--cluster`), or ask `'{key}' in …` first"
    if "null_type" in said:
        return "a side of it is null, which means that there was no data; ask `… != null` first"
    return said


def compile_error(said: str, text: str, variables: Mapping[str, object]) -> ExpressionError:
    """The compiler's complaint about *text* in our words.

    Args:
        said: what the compiler says; its first complaint counts.
        variables: the names that are defined, with their types.
    """
    if not text.strip():
        return ExpressionError("the expression is empty; write one, or leave this out", text=text)
    match = _POSITION.search(said)
    if match is None:
        return ExpressionError(said.removesuffix(" [INVALID_ARGUMENT]"), text=text)
    line, column, complaint = int(match[1]), int(match[2]), match[3].removeprefix("Syntax error: ")
    undefined = _UNDEFINED.match(complaint)
    if undefined:
        return _undefined(undefined[1], text, line, column, variables)
    return ExpressionError(_words(complaint), line, column, text)


def _undefined(name: str, text: str, line: int, column: int, variables: Mapping[str, object]) -> ExpressionError:
    start = column
    if "\n" not in text:
        # The compiler points at the last dot, or at the bracket of a call.
        starts = [found.start() + 1 for found in re.finditer(re.escape(name), text)]
        start = max((one for one in starts if one <= column), default=column)
        if text[start - 1 + len(name) :].lstrip().startswith("("):
            return ExpressionError(f"there is no function {name!r}", line, start, text, name)
    return ExpressionError(f"undefined name {name!r}{_near(name, variables)}", line, start, text, name)


def _near(name: str, variables: Mapping[str, object]) -> str:
    import difflib

    near = difflib.get_close_matches(name, list(variables), n=1, cutoff=0.6)
    head, _, key = name.rpartition(".")
    if (not near or variables[near[0]] == "map") and head:
        # Of a map, the key is the author's own word.
        maps = [one for one, kind in variables.items() if kind == "map"]
        of_map = difflib.get_close_matches(head, maps, n=1, cutoff=0.7)
        if of_map:
            return f", did you mean '{of_map[0]}.{key}'?"
    return f", did you mean {near[0]!r}?" if near else ""


def _words(complaint: str) -> str:
    if (overload := _OVERLOAD.search(complaint)) is not None:
        kinds = [_TYPE_NAMES.get(kind, kind) for kind in overload[2].split(", ")]
        operator = overload[1].strip("_").replace("_", " ")
        return f"`{operator}` cannot take {' and '.join(kinds)}"
    if (unexpected := _UNEXPECTED.search(complaint)) is not None:
        found = unexpected[1]
        if found == "<EOF>":
            return "the expression ends too early: something must follow"
        return f"`{found}` is not expected here{_instead(found)}"
    if (unreadable := _UNREADABLE.search(complaint)) is not None:
        found = unreadable[1].strip() or unreadable[1]
        if found.startswith("$"):
            return "this is an expression already: write it without `${{ }}`"
        return f"`{found}` is no operator{_instead(found)}"
    return complaint


def _instead(found: str) -> str:
    return f"; write `{_INSTEAD[found]}`" if found in _INSTEAD else ""
