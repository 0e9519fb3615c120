"""JSON Schema of what each action takes, for editors: one condition for each name under `uses`.

A value may be an expression wherever it stands, since what it will yield is not known before a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsbot.runbook.action import Action, ActionRegistry
from opsbot.runbook.wire import RunbookFile

EXPRESSION: Mapping[str, Any] = {"type": "string", "pattern": r"\$\{\{"}
Json = dict[str, Any]


def runbook_schema(registry: ActionRegistry) -> Json:
    """JSON Schema of a runbook file, for editors: `with` is checked by what `uses` names."""
    schema = RunbookFile.model_json_schema(by_alias=True)
    for name in ("StepField", "UndoField"):
        schema["$defs"][name]["allOf"] = [{"$ref": "#/$defs/Action"}]
    schema["$defs"]["Action"] = {"properties": {"uses": uses_schema(registry)}, "allOf": step_schemas(registry)}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "opsbot runbook"}


def step_schemas(registry: ActionRegistry) -> list[Json]:
    """Conditions for the schema of whatever has `uses` and `with`, to be put under its `allOf`."""
    found = []
    for action in sorted(registry, key=lambda one: one.name):
        schema = arguments_schema(action)
        then: Json = {"properties": {"with": schema}}
        if schema.get("required"):
            then["required"] = ["with"]
        when = {"properties": {"uses": {"const": action.name}}, "required": ["uses"]}
        found.append({"if": when, "then": then})
    return found


def uses_schema(registry: ActionRegistry) -> Json:
    """The names that `uses` may have, each with what it does."""
    actions = sorted(registry, key=lambda one: one.name)
    return {"oneOf": [{"const": action.name, "description": action.summary} for action in actions]}


def arguments_schema(action: Action[Any]) -> Json:
    """What stands under `with`, without references to elsewhere."""
    schema = action.arguments.model_json_schema(by_alias=True)
    whole = _inlined(schema, schema.get("$defs", {}))
    whole.pop("$defs", None)
    whole.pop("title", None)
    return whole if "properties" not in whole else _open(whole)


def _inlined(schema: Any, known: Mapping[str, Any]) -> Any:
    """*schema* with every `$ref` replaced by what it names; arguments are never recursive."""
    if isinstance(schema, list):
        return [_inlined(one, known) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix("#/$defs/")
        more = {key: value for key, value in schema.items() if key != "$ref"}
        return _inlined({**known[name], **more}, known)
    return {key: _inlined(value, known) for key, value in schema.items() if key != "$defs"}


def _open(schema: Json) -> Json:
    """*schema* of a mapping, whose values may be expressions."""
    return {**schema, "properties": {name: _or_expression(one) for name, one in schema["properties"].items()}}


def _or_expression(schema: Json) -> Json:
    if "properties" in schema:
        schema = _open(schema)
    elif isinstance(schema.get("items"), dict):
        schema = {**schema, "items": _or_expression(schema["items"])}
    shown: Json = {key: schema[key] for key in ("title", "description", "default") if key in schema}
    plain = {key: value for key, value in schema.items() if key not in shown}
    if "anyOf" in plain:
        return {**shown, "anyOf": [*(_or_deep(one) for one in plain["anyOf"]), dict(EXPRESSION)]}
    return {**shown, "anyOf": [plain, dict(EXPRESSION)]} if plain else schema


def _or_deep(schema: Json) -> Json:
    """A choice of several: what lies in it may be an expression too."""
    if "properties" in schema:
        return _open(schema)
    if isinstance(schema.get("items"), dict):
        return {**schema, "items": _or_expression(schema["items"])}
    return schema
