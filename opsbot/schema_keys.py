"""Which keys a mapping in some place of a file may have, from the JSON Schema of its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Location = tuple[str | int, ...]


def known_keys(model: type[BaseModel], loc: Location) -> list[str]:
    """The keys that a mapping at *loc* may have, as far as the model's schema tells."""
    root = model.model_json_schema()
    found: list[Mapping[str, Any]] = [root]
    for part in loc:
        found = [step for schema in found for step in _descend(root, schema, part)]
    return [key for schema in found for key in _resolve(root, schema).get("properties", {})]


def _descend(root: Mapping[str, Any], schema: Mapping[str, Any], part: str | int) -> list[Mapping[str, Any]]:
    alternatives = schema.get("anyOf", [])
    schema = _resolve(root, schema)
    options: list[Mapping[str, Any]] = [schema, *alternatives, *schema.get("anyOf", []), *schema.get("oneOf", [])]
    found: list[Mapping[str, Any]] = []
    for option in (_resolve(root, option) for option in options):
        if isinstance(part, int) and "items" in option:
            found.append(option["items"])
        elif isinstance(part, str) and part in option.get("properties", {}):
            found.append(option["properties"][part])
        elif isinstance(part, str) and isinstance(option.get("additionalProperties"), dict):
            found.append(option["additionalProperties"])
    return found


def _resolve(root: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        inner = [option for option in schema.get("anyOf", []) if "$ref" in option]
        return _resolve(root, inner[0]) if len(inner) == 1 else schema
    resolved: Mapping[str, Any] = root["$defs"][reference.rsplit("/", 1)[1]]
    return resolved
