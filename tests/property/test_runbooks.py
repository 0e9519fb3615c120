"""Whatever a runbook says and whatever an alert carries: pinned as it was read, and data stays data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import promql_parser as tree
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opsbot.expression import Variables, compile_value, render_value
from opsbot.promql.syntax import matchers, parse, selectors, walk
from opsbot.runbook.loader import loads_runbook, pinned_runbook
from opsbot.runbook.query import compile_query
from tests.support.runbook_files import files
from tests.support.runbooks import registry

REGISTRY = registry()
NAMES: Variables = {
    "alert.labels": "map",
    "inputs.secret": "string",
    "fleet.clusters": "list",
    "inputs.count": "integer",
}
HOSTILE = st.sampled_from(
    [
        "${{ inputs.secret }}",
        "}}",
        "${{",
        '"} or vector(1) or up{a="',
        "'} or vector(1) or up{a='",
        "`",
        "\\",
        '\\"',
        "a\nb",
        ".*",
        "a|b",
        "[[:alpha:]]",
        "\\Z",
        "{{ $labels.x }}",
        "# comment",
        "\r\t\x7f\u2028",
        "é\U0001f600",
        "",
    ]
)
# No door takes a label with a NUL character.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
VALUES = HOSTILE | TEXTS | st.lists(HOSTILE, max_size=4).map("".join)


@settings(max_examples=60, deadline=None)
@given(data=files())
def test_what_is_loaded_is_pinned_unchanged(data: Mapping[str, Any]) -> None:
    """A run reads its pinned JSON into exactly the runbook that the file was."""
    loaded, problems = loads_runbook(json.dumps(data, ensure_ascii=False), "f.yaml", REGISTRY)
    assert loaded is not None, problems
    pinned = pinned_runbook(loaded.source_json, loaded.revision)
    assert pinned == loaded
    assert pinned_runbook(pinned.source_json, pinned.revision) == loaded
    assert [step.step_id for step in loaded.all_steps[: len(loaded.steps)]] == [step["id"] for step in data["steps"]]


@given(value=VALUES, before=st.sampled_from(["", "load of ", "}} "]))
@example(value="${{ inputs.secret }}", before="")
def test_data_is_rendered_once(value: str, before: str) -> None:
    """An expression inside of an alert's label is never evaluated, alone, within text, or in a list of a list."""
    written = {
        "alone": "${{ alert.labels.x }}",
        "within": before + "${{ alert.labels.x }}/${{ alert.labels.x }}",
        "deep": [["${{ alert.labels.x }}"]],
    }
    compiled, mistakes = compile_value(written, NAMES)
    assert mistakes == []
    known = {"alert.labels": {"x": value}, "inputs.secret": "the secret"}
    assert render_value(compiled, known) == {
        "alone": value,
        "within": f"{before}{value}/{value}",
        "deep": [[value]],
    }


QUERIES = {
    'up{cluster="${{ alert.labels.x }}"}': "=",
    "up{cluster='${{ alert.labels.x }}'} == 1": "=",
    'sum by (cluster) (rate(a{b="c",cluster!="${{ alert.labels.x }}"}[5m])) > 3': "!=",
    'up{cluster=~"${{ alert.labels.x }}"} and up{c="d"}': "=~",
    "max(up{cluster!~'${{ alert.labels.x }}'})": "!~",
}


def shape(expr: tree.Expr) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """A query without the values of its matchers."""
    found = []
    for node in walk(expr):
        pairs = tuple((one.name, one.operator) for selector in selectors(node) for one in matchers(selector))
        found.append((type(node).__name__, pairs))
    return found


def given_matcher(expr: tree.Expr) -> str:
    """The value of the matcher of `cluster`."""
    (value,) = (one.value for selector in selectors(expr) for one in matchers(selector) if one.name == "cluster")
    return value


@pytest.mark.parametrize("query", QUERIES)
@given(value=VALUES)
def test_a_label_value_cannot_change_what_a_query_asks(query: str, value: str) -> None:
    """The tree is that of a harmless value, and the matcher is for exactly this value."""
    rendered = compile_query(query, NAMES).render({"alert.labels": {"x": value}})
    expr = parse(rendered)
    assert shape(expr) == shape(parse(query.replace("${{ alert.labels.x }}", "x")))
    if QUERIES[query] in ("=", "!="):
        assert given_matcher(expr) == value
        return
    pattern = re.compile(given_matcher(expr))
    assert pattern.fullmatch(value)
    assert not pattern.fullmatch(value + "x")
    assert not pattern.fullmatch("x" + value)


@given(values=st.lists(VALUES, min_size=1, max_size=5))
def test_a_list_becomes_exactly_its_alternatives(values: list[str]) -> None:
    """Each of them matches, and their concatenation does not."""
    rendered = compile_query('up{cluster=~"${{ fleet.clusters }}"}', NAMES).render({"fleet.clusters": values})
    pattern = re.compile(given_matcher(parse(rendered)))
    assert all(pattern.fullmatch(value) for value in values)
    assert not pattern.fullmatch("".join(values) + "-none-of-them")
