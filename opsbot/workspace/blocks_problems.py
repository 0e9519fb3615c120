"""What is wrong with blocks, in Slack's own words: a sentence and the JSON pointer of its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

Loc = tuple[int | str, ...]


def problems(error: ValidationError, given: object, root: str) -> Iterator[str]:
    """Slack's sentence for each mistake in *given*, which stands at *root* (as `/blocks`)."""
    for detail in error.errors(include_url=False):
        yield _sentence(detail, given, root)


def at(text: str, pointer: str) -> str:
    """A sentence with its place."""
    return f"{text} [json-pointer:{pointer}]"


def _sentence(detail: ErrorDetails, given: object, root: str) -> str:
    context, loc = detail.get("ctx", {}), detail["loc"]
    kind = detail["type"]
    if kind in ("missing", "extra_forbidden"):
        text = "missing required field" if kind == "missing" else "invalid additional property"
        return at(f"{text}: {loc[-1]}", _pointer(loc[:-1], given, root))
    pointer = _pointer(loc, given, root)
    match kind:
        case "slack":
            return at(context["text"], pointer + context["at"])
        case "union_tag_invalid":
            return at(f"unsupported type: {context['tag']}", f"{pointer}/type")
        case "union_tag_not_found":
            return at("missing required field: type", pointer)
    return at(_words(kind, context), pointer)


def _words(kind: str, context: dict[str, Any]) -> str:
    match kind:
        case "string_too_long":
            return f"must be less than {context['max_length'] + 1} characters"
        case "string_too_short":
            return f"must be more than {context['min_length'] - 1} characters"
        case "too_long":
            return f"no more than {context['max_length']} items allowed"
        case "too_short":
            return f"must provide at least {context['min_length']} items"
        case "literal_error":
            return "must be a valid enum value"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "must provide an object"
        case "list_type":
            return "must provide an array"
        case "string_type":
            return "must provide a string"
        case "bool_type":
            return "must provide a boolean"
        case "int_type" | "float_type":
            return "must provide a number"
        case "greater_than_equal":
            return f"must be greater than or equal to {context['ge']}"
        case "less_than_equal":
            return f"must be less than or equal to {context['le']}"
        case _:
            return "failed to match schema"


def _pointer(loc: Loc, given: object, root: str) -> str:
    """The pointer without what names a type only: pydantic's places hold the tags of unions as well."""
    here: Any = given
    found = root
    for part in loc:
        is_key = isinstance(here, dict) and part in here
        is_index = isinstance(here, list) and isinstance(part, int) and 0 <= part < len(here)
        if is_key or is_index:
            here, found = here[part], f"{found}/{part}"
    return found
