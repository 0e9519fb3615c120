"""CEL: the one language of conditions and `${{ }}` values, checked when a file is loaded.

Every variable is declared under its whole name (`inputs.batch_limit`), so a misspelt one is found at load with its
position. An evaluation that ends in CEL's error value raises; it is never taken for false.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from cel_expr_python import cel

from opsbot.expression_words import ExpressionError as ExpressionError
from opsbot.expression_words import compile_error, without_value

VariableType = Literal["dyn", "string", "integer", "number", "boolean", "map", "list"]
Variables = Mapping[str, VariableType]
Location = tuple[str | int, ...]

_TYPES: Mapping[VariableType, Any] = {
    "dyn": cel.Type.DYN,
    "string": cel.Type.STRING,
    "integer": cel.Type.INT,
    # CEL does not compare a declared double with an integer literal; declared dynamic, it does.
    "number": cel.Type.DYN,
    "boolean": cel.Type.BOOL,
    "map": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "list": cel.Type.List(cel.Type.STRING),
}
_TEMPLATE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    text: str
    _program: Any
    _is_boolean: bool
    can_be_list: bool = False

    @classmethod
    def compile(cls, text: str, variables: Variables) -> Expression:
        """Check *text* against the declared variables.

        Raises: ExpressionError with the place of the mistake.
        """
        try:
            program = _environment(frozenset(variables.items())).compile(text)
        except RuntimeError as error:
            raise compile_error(str(error), text, variables) from error
        kind = program.return_type()
        is_list = kind == cel.Type.DYN or str(kind).startswith("LIST")
        return cls(text, program, kind in (cel.Type.BOOL, cel.Type.DYN), is_list)

    @property
    def can_be_boolean(self) -> bool:
        """Whether it may serve as a condition."""
        return self._is_boolean

    def evaluate(self, values: Mapping[str, object]) -> object:
        """Its value.

        Raises: ExpressionError if it has none.
        """
        try:
            result = self._program.eval(data=dict(values))
        except RuntimeError as error:
            # Not an error value: the evaluator gave up, at its limit of iterations for example.
            raise ExpressionError(f"`{self.text}` cannot be evaluated: {error}") from error
        if result.type() == cel.Type.ERROR:
            raise ExpressionError(f"`{self.text}` has no value: {without_value(str(result.value()))}")
        plain: object = result.plain_value()
        return plain

    def evaluate_bool(self, values: Mapping[str, object]) -> bool:
        """Its value as a condition.

        Raises: ExpressionError if it has none, or is not a boolean.
        """
        value = self.evaluate(values)
        if not isinstance(value, bool):
            raise ExpressionError(f"`{self.text}` is {value!r}, not true or false")
        return value


@lru_cache(maxsize=64)
def _environment(variables: frozenset[tuple[str, VariableType]]) -> Any:
    """A checker that knows these variables; making one takes fifteen times as long as compiling with it."""
    return cel.NewEnv(variables={name: _TYPES[kind] for name, kind in variables})


@dataclass(frozen=True, slots=True)
class Template:
    """A value whose `${{ }}` parts are expressions; one that is a single expression keeps its type."""

    parts: tuple[str | Expression, ...]

    def render(self, values: Mapping[str, object]) -> object:
        """The value; raises ExpressionError."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Expression):
            return self.parts[0].evaluate(values)
        return "".join(part if isinstance(part, str) else _as_text(part, values) for part in self.parts)


def _as_text(part: Expression, values: Mapping[str, object]) -> str:
    """As YAML would write it: `true`, not Python's `True`."""
    value = part.evaluate(values)
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError as error:
        raise ExpressionError(f"`{part.text}` cannot stand within text: {type(value).__name__}") from error


Compiled = Template | Mapping[str, "Compiled"] | Sequence["Compiled"] | str | int | float | bool | None


def compile_value(value: object, variables: Variables) -> tuple[Compiled, list[tuple[Location, ExpressionError]]]:
    """Compile every `${{ }}` in a plain value; answers the compiled value and each mistake with its location."""
    mistakes: list[tuple[Location, ExpressionError]] = []

    def walk(node: object, loc: Location) -> Compiled:
        if isinstance(node, str) and "${{" in node:
            try:
                return _template(node, variables)
            except ExpressionError as error:
                mistakes.append((loc, error))
                return node
        if isinstance(node, Mapping):
            return {str(key): walk(child, (*loc, str(key))) for key, child in node.items()}
        if isinstance(node, list | tuple):
            return [walk(child, (*loc, index)) for index, child in enumerate(node)]
        assert node is None or isinstance(node, str | int | float | bool)
        return node

    return walk(value, ()), mistakes


def render_value(compiled: Compiled, values: Mapping[str, object]) -> object:
    """The plain value; raises ExpressionError."""
    if isinstance(compiled, Template):
        return compiled.render(values)
    if isinstance(compiled, Mapping):
        return {key: render_value(child, values) for key, child in compiled.items()}
    if isinstance(compiled, list):
        return [render_value(child, values) for child in compiled]
    return compiled


def has_template(value: object) -> bool:
    """Whether a plain value holds a `${{ }}` anywhere."""
    if isinstance(value, str):
        return "${{" in value
    if isinstance(value, Mapping):
        return any(has_template(child) for child in value.values())
    return isinstance(value, list) and any(has_template(child) for child in value)


def _template(text: str, variables: Variables) -> Template:
    parts: list[str | Expression] = []
    at = 0
    for match in _TEMPLATE.finditer(text):
        if match.start() > at:
            parts.append(text[at : match.start()])
        parts.append(Expression.compile(match[1].strip(), variables))
        at = match.end()
    if at < len(text):
        parts.append(text[at:])
    if any(isinstance(part, str) and "${{" in part for part in parts):
        rest = next(part for part in reversed(parts) if isinstance(part, str) and "${{" in part)
        raise ExpressionError("`${{` without `}}`", text=rest[rest.index("${{") :])
    return Template(tuple(parts))
