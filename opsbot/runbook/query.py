"""PromQL that holds `${{ }}`: expressions may stand in a label's value only, and are quoted for that place.

So nothing that came from an alert can change what a query asks. In `=~` and `!~` a text is quoted as a pattern, and a
list becomes alternatives; everywhere else a list is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from opsbot.expression import Expression, ExpressionError, Variables
from opsbot.promql.syntax import QueryError, parse

_TOKEN = re.compile(
    r"""(?P<value>(?P<op>=~|!~|!=|=)\s*(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'))"""
    r"""|(?P<template>\$\{\{.*?\}\})"""
    r"""|(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)""",
    re.DOTALL,
)
_TEMPLATE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
PLACEHOLDER = "x"


_WHOLE = re.compile(r"\s*\$\{\{(?:(?!\}\}).)*\}\}\s*", re.DOTALL)


class TemplateError(QueryError):
    """A `${{ }}` stands where none may; *part* is the text at which the mistake begins."""

    def __init__(self, message: str, part: str) -> None:
        super().__init__(message)
        self.part = part


@dataclass(frozen=True, slots=True)
class _Hole:
    """An expression in a query; *is_all* where it is the whole query, as an input may be.

    Args:
        quote: the mark that ends the label's value: it alone is escaped, for PromQL refuses to escape the other.
    """

    expression: Expression
    is_pattern: bool
    is_all: bool = False
    quote: str = '"'


@dataclass(frozen=True, slots=True)
class Query:
    """A compiled query."""

    parts: tuple[str | _Hole, ...]

    def render(self, values: Mapping[str, object]) -> str:
        """The PromQL; raises ExpressionError."""
        return "".join(part if isinstance(part, str) else _quoted(part, values) for part in self.parts)


def compile_query(text: str, names: Variables) -> Query:
    """Check *text* against the declared variables.

    Raises: ExpressionError for an expression, QueryError for the PromQL.
    """
    if _WHOLE.fullmatch(text):
        return Query((_Hole(Expression.compile(text.strip()[3:-2].strip(), names), False, is_all=True),))
    parts: list[str | _Hole] = []
    at = 0
    for token in _TOKEN.finditer(text):
        if token["template"]:
            why = f"`{token['template']}` may stand only within a label's value: "
            raise TemplateError(why + '{cluster="${{ … }}"}', token["template"])
        if token["string"] and "${{" in token["string"]:
            why = f"`${{{{ }}}}` may stand only within a label's value, not in {token['string']}"
            raise TemplateError(why, "${{")
        if not token["value"]:
            continue
        for template in _TEMPLATE.finditer(text, token.start(), token.end()):
            parts.append(text[at : template.start()])
            quote = '"' if token["single"] is None else "'"
            expression = Expression.compile(template[1].strip(), names)
            parts.append(_Hole(expression, token["op"] in ("=~", "!~"), quote=quote))
            at = template.end()
    parts.append(text[at:])
    unclosed = next((part for part in parts if isinstance(part, str) and "${{" in part), None)
    if unclosed is not None:
        raise TemplateError("`${{` without `}}`", unclosed[unclosed.index("${{") :])
    parse("".join(part if isinstance(part, str) else PLACEHOLDER for part in parts))
    return Query(tuple(parts))


def shape_problem(text: str) -> str:
    """What is wrong with the query whatever its expressions are; empty when nothing is."""
    holes = _TEMPLATE.sub(PLACEHOLDER, text)
    try:
        parse(holes)
    except QueryError as error:
        return str(error)
    return ""


def _quoted(hole: _Hole, values: Mapping[str, object]) -> str:
    value = hole.expression.evaluate(values)
    if hole.is_all:
        return str(value)
    many = value if isinstance(value, list) else [value]
    if any(not isinstance(one, str | int) or isinstance(one, bool) for one in many):
        raise ExpressionError(f"`{hole.expression.text}` is {value!r}; a label's value is text")
    if not hole.is_pattern and isinstance(value, list):
        raise ExpressionError(f"`{hole.expression.text}` is a list; use it with =~")
    texts = [str(one) for one in many]
    if hole.is_pattern:
        texts = [_SPECIAL.sub(lambda special: "\\" + special[0], text) for text in texts]
    escaped = "|".join(texts).replace("\\", "\\\\").replace(hole.quote, f"\\{hole.quote}")
    return escaped.replace("\n", "\\n")
