"""CEL expressions and `${{ }}` values."""

from __future__ import annotations

import pytest

from opsbot.expression import Expression, ExpressionError, Variables, compile_value, has_template, render_value

VARIABLES: Variables = {
    "inputs.limit": "integer",
    "value": "number",
    "name": "string",
    "flag": "boolean",
    "labels": "map",
}
VALUES = {"inputs.limit": 8, "value": 0.9, "name": "east", "flag": True, "labels": {"cluster": "a"}}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("inputs.limit + 1", 9),
        ("value > 0.85", True),
        ("value > 1", False),
        ("flag && name == 'east'", True),
        ("labels.cluster", "a"),
        ("inputs.limit > 4 ? 'big' : 'small'", "big"),
        ("[1, 2].map(x, x * 2)", [2, 4]),
        ("{'a': 1}", {"a": 1}),
    ],
)
def test_expressions_have_values(text: str, result: object) -> None:
    """Arithmetic, comparison across integer and float, maps, and lists."""
    assert Expression.compile(text, VARIABLES).evaluate(VALUES) == result


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("inputs.limt + 1", 1, "undefined name 'inputs.limt', did you mean 'inputs.limit'?"),
        ("name + 1", 6, "`+` cannot take text and a whole number"),
        ("value >", 8, "the expression ends too early: something must follow"),
        ("flag && name", 6, "`&&` cannot take true or false and text"),
        ("flag and name == 'a'", 6, "`and` is not expected here; write `&&`"),
        ("name = 'a'", 6, "`=` is no operator; write `==`"),
        ("lower(name) == 'a'", 1, "there is no function 'lower'"),
        ("1 + lables.region", 5, "undefined name 'lables.region', did you mean 'labels.region'?"),
        ("${{ flag }}", 1, "this is an expression already: write it without `${{ }}`"),
        (" ", 1, "the expression is empty; write one, or leave this out"),
    ],
)
def test_mistakes_are_found_when_compiling(text: str, column: int, message: str) -> None:
    """Each carries the place within the expression."""
    with pytest.raises(ExpressionError) as caught:
        Expression.compile(text, VARIABLES)
    assert str(caught.value).startswith(message)
    assert (caught.value.line, caught.value.column) == (1, column)


def test_the_line_of_a_mistake_is_told() -> None:
    """A block of several lines is searched for the reader."""
    with pytest.raises(ExpressionError) as caught:
        Expression.compile("value > 1 &&\n  valu < 2", VARIABLES)
    assert (caught.value.line, caught.value.column) == (2, 3)


@pytest.mark.parametrize("text", ["labels.missing == 'a'", "1 / (inputs.limit - 8) > 0"])
def test_an_error_value_is_never_taken_for_false(text: str) -> None:
    """A key that is not there, and a division by zero, raise."""
    expression = Expression.compile(text, VARIABLES)
    with pytest.raises(ExpressionError, match="has no value"):
        expression.evaluate_bool(VALUES)


def test_a_missing_variable_is_not_false() -> None:
    """Values that the caller forgot raise too."""
    with pytest.raises(ExpressionError, match="has no value"):
        Expression.compile("flag", VARIABLES).evaluate_bool({})


def test_a_condition_must_be_true_or_false() -> None:
    """A number is no condition, whether that is known when compiling or only when evaluating."""
    assert not Expression.compile("inputs.limit", VARIABLES).can_be_boolean
    assert Expression.compile("value", VARIABLES).can_be_boolean
    with pytest.raises(ExpressionError, match=r"is 0\.9, not true or false"):
        Expression.compile("value", VARIABLES).evaluate_bool(VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "[1,2,3,4,5,6,7,8,9,10].all(a, " * 8 + "true" + ")" * 8,
        "(" * 500 + "1" + ")" * 500,
    ],
)
def test_an_endless_expression_is_stopped(text: str) -> None:
    """Iterations and nesting are bounded, so a runbook cannot stall the bot."""
    with pytest.raises(ExpressionError):
        Expression.compile(text, VARIABLES).evaluate(VALUES)


def test_a_value_that_is_one_expression_keeps_its_type() -> None:
    """`${{ inputs.limit }}` is a number; the same within text is text."""
    compiled, mistakes = compile_value(
        {"limit": "${{ inputs.limit }}", "text": "to ${{ inputs.limit }} in ${{name}}", "plain": [1, True, None]},
        VARIABLES,
    )
    assert mistakes == []
    assert render_value(compiled, VALUES) == {"limit": 8, "text": "to 8 in east", "plain": [1, True, None]}


def test_text_is_written_as_yaml_writes_it() -> None:
    """Booleans, lists and maps within text do not show Python's spelling."""
    compiled, _ = compile_value("${{ flag }} ${{ [name] }} ${{ labels }}", VARIABLES)
    assert render_value(compiled, VALUES) == 'true ["east"] {"cluster": "a"}'


def test_mistakes_carry_the_path_in_the_value() -> None:
    """The caller can position each of them in its file."""
    _, mistakes = compile_value({"a": ["x", "${{ nme }}"], "b": "${{ value"}, VARIABLES)
    assert [(loc, str(error)) for loc, error in mistakes] == [
        (("a", 1), "undefined name 'nme', did you mean 'name'?"),
        (("b",), "`${{` without `}}`"),
    ]


def test_templates_are_recognised() -> None:
    """Only where a `${{` is anywhere in the value."""
    assert has_template({"a": ["${{ name }}"]})
    assert not has_template({"a": ["$name", 1, None]})
