"""The reference of all actions as Markdown, made from the registry, so that it cannot say what is not so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from opsbot.runbook.action import Action, ActionRegistry

BEGIN = "<!-- The rest is written by `python -m opsbot actions`. -->"


def reference(registry: ActionRegistry) -> str:
    """Every action: what it does and how it ends, then what it takes and yields."""
    actions = sorted(registry, key=lambda action: action.name)
    lines = [
        "## All actions",
        "",
        "| action | what it does | changes | undo | approval by |",
        "| --- | --- | --- | --- | --- |",
        *(_row(action) for action in actions),
    ]
    for action in actions:
        lines += ["", f"### {action.name}", "", *_fields("argument", action.arguments)]
        if action.outputs.model_fields:
            lines += ["", *_fields("output", action.outputs)]
    return "\n".join(lines) + "\n"


def _row(action: Action[Any]) -> str:
    if action.is_read_only:
        changes, undo, approval = "nothing", "none needed", "nobody"
    else:
        changes = (
            "a lease" if action.takes_lease else "once" if action.is_idempotent else "once; lost, a person must look"
        )
        undo = "release" if action.takes_lease else "by a step's `undo`" if action.is_reversible else "none"
        approval = f"{action.role}, not whoever asked" if action.is_risky else action.role
    if action.is_for_drills:
        changes += ", in drills alone"
    return f"| [`{action.name}`](#{anchor(action.name)}) | {action.summary} | {changes} | {undo} | {approval} |"


def anchor(name: str) -> str:
    """A heading's anchor as GitHub makes it."""
    return name.replace(".", "")


def _fields(kind: str, model: type[BaseModel]) -> Iterable[str]:
    if not model.model_fields:
        return (f"Takes no {kind}.",)
    schema = model.model_json_schema(by_alias=True)
    properties: dict[str, dict[str, Any]] = schema["properties"]
    head = f"| {kind} | type | meaning |" if kind == "output" else f"| {kind} | type | default | meaning |"
    rows = [head, "| --- | --- | --- |" if kind == "output" else "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        shown = field.alias or name
        cells = [f"`{shown}`", _type(properties[shown], schema)]
        if kind == "argument":
            cells.append(_default(field, properties[shown]))
        rows.append(f"| {' | '.join((*cells, _cell(field.description or '')))} |")
    return rows


def _default(field: FieldInfo, schema: dict[str, Any]) -> str:
    if field.is_required():
        return "needed"
    value = schema.get("default")
    return "none" if value in (None, "", {}, []) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(schema: dict[str, Any], whole: dict[str, Any]) -> str:
    """A JSON Schema in a few words."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[1]
        return f"[{name.lower()}](#selectors)" if name == "Selector" else name.lower()
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{one}`" for one in schema.get("enum", [schema.get("const")]))
    options = schema.get("anyOf")
    if options:
        return " or ".join(dict.fromkeys(_type(one, whole) for one in options if one.get("type") != "null"))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}), whole)}"
    if schema.get("examples") == ["30s", "5m", "1h30m"]:
        return "duration" + _bounds(schema)
    kinds = {"integer": "integer", "number": "number", "boolean": "true or false", "string": "text", "object": "map"}
    return kinds.get(str(schema.get("type")), "any") + _bounds(schema)


def _bounds(schema: dict[str, Any]) -> str:
    words = (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"), ("exclusiveMaximum", "below"))
    found = [f"{word} {schema[key]}" for key, word in words if key in schema]
    return f", {' '.join(found)}" if found else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
