"""The texts of annotations: the part of Prometheus's templates that fills in labels and the value.

Inside double braces stand a label (`cluster`, `$labels.cluster`, `.Labels.cluster`), all of them (`$labels`), the value
(`value`, `$value`, `.Value`), a text or a number, and functions of those, nested by parentheses or in a pipe. Whatever
else Go's templates have is refused by name when the file is loaded. Nothing is executed, and what is filled in is never
read again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from opsbot.rule.template_function import FUNCTIONS, Argument, check_format, shown

MAX_FILLED = 4_000
"""Characters of a filled-in text; longer ones are cut, and say so. Slack shows 3,000 of a section."""
MAX_NESTED = 16

_ACTION = re.compile(r"\{\{(-\s)?(.*?)(\s-)?\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?P<number>[-+]?[0-9]+(?:\.[0-9]+)?)(?![\w.])"""
    r"""|(?:\$labels|\.Labels)\.(?P<name>[a-zA-Z_]\w*)(?![\w.])|(?P<labels>\$labels|\.Labels)(?![\w.])"""
    r"""|(?P<value>\$value|\.Value)(?![\w.])"""
    r"""|(?P<word>[a-zA-Z_]\w*)(?![\w.])|(?P<mark>[|()])|(?P<other>[^\s|()]+))"""
)
_KEYWORDS = frozenset({"if", "else", "end", "range", "with", "define", "template", "block", "break", "continue"})


class TemplateError(ValueError):
    """A template is not understood.

    Args:
        words: the part of the template that is not.
    """

    def __init__(self, message: str, words: str) -> None:
        super().__init__(message)
        self.words = words


@dataclass(frozen=True, slots=True)
class _Label:
    name: str


@dataclass(frozen=True, slots=True)
class _AllLabels:
    pass


@dataclass(frozen=True, slots=True)
class _TheValue:
    pass


@dataclass(frozen=True, slots=True)
class _Literal:
    content: str | float


@dataclass(frozen=True, slots=True)
class _Call:
    function: str
    arguments: tuple[_Node, ...]


_Node = _Label | _AllLabels | _TheValue | _Literal | _Call


def mistakes(text: str) -> list[TemplateError]:
    """What in *text* would not be filled in."""
    return [part for part in _parsed(text) if isinstance(part, TemplateError)]


def fill(text: str, labels: Mapping[str, str], value: float | None) -> str:
    """*text* with labels and value filled in; what is not known is said to be."""
    parts = []
    for part in _parsed(text):
        if isinstance(part, TemplateError):
            parts.append(part.words)
        else:
            parts.append(part if isinstance(part, str) else shown(_computed(part, labels, value)))
    filled = "".join(parts)
    return filled if len(filled) <= MAX_FILLED else filled[: MAX_FILLED - 1] + "…"


def _computed(node: _Node, labels: Mapping[str, str], value: float | None) -> Argument:
    match node:
        case _Label():
            return labels.get(node.name, f"(no label {node.name})")
        case _AllLabels():
            # As Go prints a map.
            return f"map[{' '.join(f'{name}:{labels[name]}' for name in sorted(labels))}]"
        case _TheValue():
            return value
        case _Literal():
            return node.content
        case _Call():
            arguments = [_computed(argument, labels, value) for argument in node.arguments]
            return FUNCTIONS[node.function].compute(*arguments)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> tuple[str | _Node | TemplateError, ...]:
    parts: list[str | _Node | TemplateError] = []
    position, is_trimmed = 0, False
    for action in _ACTION.finditer(text):
        plain = text[position : action.start()]
        plain = plain.lstrip() if is_trimmed else plain
        parts.append(plain.rstrip() if action[1] else plain)
        position, is_trimmed = action.end(), action[3] is not None
        inside = action[2].strip()
        if not (inside.startswith("/*") and inside.endswith("*/")):
            try:
                parts.append(_Parser(inside).whole())
            except TemplateError as error:
                parts.append(error)
    rest = text[position:]
    parts.append(rest.lstrip() if is_trimmed else rest)
    if "{{" in rest:
        parts.append(TemplateError("'{{' is never closed by '}}'", "{{"))
    return tuple(parts)


class _Parser:
    """Reads what stands between one pair of double braces."""

    def __init__(self, inside: str) -> None:
        self._inside = inside
        self._tokens = list(_TOKEN.finditer(inside))
        self._position = 0
        self._depth = 0

    def whole(self) -> _Node:
        """The one pipe that it is.

        Raises: TemplateError.
        """
        if not self._tokens:
            raise TemplateError("nothing stands between '{{' and '}}'", "{{")
        node = self._pipe()
        if self._position < len(self._tokens):
            raise self._unexpected(self._tokens[self._position])
        return node

    def _pipe(self) -> _Node:
        node = self._command(None)
        while self._is_next("|"):
            self._position += 1
            node = self._command(node)
        return node

    def _command(self, piped: _Node | None) -> _Node:
        """An operand, or a function with its arguments; what comes through the pipe is the last of these."""
        token = self._next()
        word = token["word"]
        if word in _KEYWORDS:
            raise TemplateError(f"{word!r} is not supported: only labels, the value and functions are filled in", word)
        if token["mark"] == "(":
            first = self._operand(token)
            if piped is not None:
                raise TemplateError("a pipe leads into a function, not into parentheses", self._inside)
            return first
        arguments: list[_Node] = []
        while self._position < len(self._tokens) and self._tokens[self._position]["mark"] not in ("|", ")"):
            arguments.append(self._operand(self._next()))
        if piped is not None:
            arguments.append(piped)
        if not arguments:
            # A function's name alone would say nothing: it is a label of that name.
            return self._operand(token)
        if word is None:
            raise TemplateError(f"{_text(token)!r} takes no arguments: it is no function", _text(token))
        return _call(word, arguments)

    def _operand(self, token: re.Match[str]) -> _Node:
        if token["mark"] == "(":
            self._depth += 1
            if self._depth > MAX_NESTED:
                raise TemplateError(f"more than {MAX_NESTED} parentheses inside each other", self._inside)
            node = self._pipe()
            if not self._is_next(")"):
                raise TemplateError("a closing parenthesis is missing", self._inside)
            self._position += 1
            self._depth -= 1
            return node
        if token["text"] is not None:
            return _Literal(_unquoted(token["text"]))
        if token["number"] is not None:
            return _Literal(float(token["number"]))
        if token["name"] is not None:
            return _Label(token["name"])
        if token["labels"] is not None:
            return _AllLabels()
        if token["value"] is not None or token["word"] == "value":
            return _TheValue()
        if token["word"] is not None and token["word"] not in _KEYWORDS:
            return _Label(token["word"])
        raise self._unexpected(token)

    def _is_next(self, mark: str) -> bool:
        return self._position < len(self._tokens) and self._tokens[self._position]["mark"] == mark

    def _next(self) -> re.Match[str]:
        if self._position == len(self._tokens):
            raise TemplateError(f"something is missing at the end of {self._inside!r}", self._inside)
        self._position += 1
        return self._tokens[self._position - 1]

    def _unexpected(self, token: re.Match[str]) -> TemplateError:
        words = _text(token)
        return TemplateError(f"{words!r} is not supported: only labels, the value and functions are filled in", words)


def _call(name: str, arguments: list[_Node]) -> _Call:
    function = FUNCTIONS.get(name)
    if function is None:
        known = ", ".join(sorted(FUNCTIONS))
        raise TemplateError(f"the template function {name!r} is not supported; there are {known}", name)
    most = function.most
    if len(arguments) < function.fewest or (most is not None and len(arguments) > most):
        raise TemplateError(f"{name} does not take {len(arguments)} arguments", name)
    if name == "printf":
        first = arguments[0]
        if not isinstance(first, _Literal) or not isinstance(first.content, str):
            raise TemplateError("printf needs a text in quotation marks first", name)
        wrong = check_format(first.content, len(arguments) - 1)
        if wrong:
            raise TemplateError(f"printf: {wrong}", name)
    return _Call(name, tuple(arguments))


def _unquoted(text: str) -> str:
    if text.startswith("`"):
        return text[1:-1]
    try:
        return str(json.loads(text))
    except ValueError as error:
        raise TemplateError(f"the text {text} has an escape that is not supported", text) from error


def _text(token: re.Match[str]) -> str:
    return token[0].strip()
