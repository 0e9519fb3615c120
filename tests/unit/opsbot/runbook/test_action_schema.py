"""The JSON Schema of steps agrees with what the loader takes, action by action."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from opsbot.runbook.action_schema import step_schemas, uses_schema
from tests.support.lease_actions import LEASES
from tests.support.runbooks import registry

SCHEMA = {"type": "object", "properties": {"uses": uses_schema(registry())}, "allOf": step_schemas(registry())}


def is_valid(uses: str, arguments: dict[str, Any] | None) -> bool:
    """Whether an editor would take that step."""
    step = {"uses": uses} if arguments is None else {"uses": uses, "with": arguments}
    return bool(Draft202012Validator(SCHEMA).is_valid(step))


def test_the_schema_is_a_schema() -> None:
    """Without any reference that leads nowhere."""
    Draft202012Validator.check_schema(SCHEMA)
    assert "$ref" not in str(SCHEMA)
    assert len(step_schemas(registry())) == len(registry().names())


@pytest.mark.parametrize("name", LEASES)
def test_what_the_loader_takes_is_valid(name: str) -> None:
    """The same arguments as the tests against a real server; and not one more."""
    assert is_valid(name, LEASES[name])
    assert not is_valid(name, {**LEASES[name], "unheard_of": 1})


@pytest.mark.parametrize(
    ("uses", "arguments", "is_so"),
    [
        ("serving.set_batch", None, False),
        ("serving.drain", None, True),
        ("serving.set_batch", {"limit": 0}, False),
        ("serving.set_batch", {"limit": "${{ inputs.limit }}"}, True),
        ("serving.set_batch", {"limit": "eight"}, False),
        ("serving.shed", {"fraction": 0.5, "selector": {"class": "free"}}, False),
        ("serving.shed", {"fraction": 0.5, "selector": {"class": ["free"]}}, True),
        ("serving.shed", {"fraction": 0.5, "selector": {"class": ["${{ alert.labels.class }}"]}}, True),
        ("serving.shed", {"fraction": 0.5, "selector": {"class": "${{ inputs.classes }}"}}, True),
        ("serving.shed", {"fraction": 0.5, "selector": "${{ inputs.selector }}"}, True),
        ("wait.for", {"duration": "5m"}, True),
        ("wait.for", {"duration": "5 minutes"}, False),
        ("wait.for", {"duration": "${{ inputs.pause }}"}, True),
        ("http.request", {"url": "https://a.example", "headers": {"a": {"secret_env": "A"}}, "json": [1]}, True),
        ("http.request", {"url": "https://a.example", "headers": {"a": {"secret": "A"}}}, False),
        ("serving.sett_batch", {"limit": 1}, False),
    ],
)
def test_mistakes_are_seen_and_expressions_are_none(uses: str, arguments: dict[str, Any] | None, is_so: bool) -> None:
    """An expression may stand wherever a value does."""
    assert is_valid(uses, arguments) is is_so
