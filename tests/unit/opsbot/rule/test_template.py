"""Texts for people: what is filled in, as Prometheus would, and what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.rule.template import MAX_FILLED, fill, mistakes

LABELS = {"cluster": "eu west", "instance": "h1:9100", "title": "lead"}


@pytest.mark.parametrize(
    ("text", "value", "filled"),
    [
        ("{{ $labels.cluster }} {{.Labels.cluster}} {{ cluster }}", 1.0, "eu west eu west eu west"),
        ("{{ $value }} {{ .Value }} {{ value }}", 0.123456, "0.1235 0.1235 0.1235"),
        ("{{ $value | humanize }}", 1234567.0, "1.235M"),
        ("{{ humanize $value }}", 0.00012, "120u"),
        ("{{ humanize $value }}", 0.0, "0"),
        ("{{ $value | humanize1024 }}B", 1536.0, "1.5kiB"),
        ("{{ $value | humanizePercentage }}", 0.1234, "12.34%"),
        ("{{ $value | humanizeDuration }}", 0.0, "0s"),
        ("{{ $value | humanizeDuration }}", 0.25, "250ms"),
        ("{{ $value | humanizeDuration }}", 59.5, "59.5s"),
        ("{{ $value | humanizeDuration }}", 3725.0, "1h 2m 5s"),
        ("{{ $value | humanizeDuration }}", -90061.0, "-1d 1h 1m 1s"),
        ("{{ $value | humanizeTimestamp }}", 1435065584.0, "2015-06-23 13:19:44 +0000 UTC"),
        ('{{ printf "%.2f" $value }}', 2.0 / 3.0, "0.67"),
        ('{{ $value | printf "%.0f%% of %s" 3 }}', 2.0, "3% of 2"),
        ('{{ printf "%-6s|%05d|%q" $labels.cluster $value "x" }}', 42.0, 'eu west|00042|"x"'),
        ("{{ $labels.cluster | title }} {{ toUpper cluster }} {{ toLower `ABC` }}", 1.0, "Eu West EU WEST abc"),
        ("{{ title }}", 1.0, "lead"),
        ("{{ $labels }}", 1.0, "map[cluster:eu west instance:h1:9100 title:lead]"),
        ('{{ printf "%s" (humanize (printf "%.0f" $value)) }}', 12345.0, "12.35k"),
        ("{{ (toUpper `a`) | toLower }}{{ ($labels.cluster) }}", 1.0, "aeu west"),
        ("a  {{- $value -}}  b {{/* nobody sees this */}}c", 1.0, "a1b c"),
        ("{{ nothing }}", 1.0, "(no label nothing)"),
        ("{{ $value | humanize }} {{ $value | humanizeDuration }}", math.nan, "NaN NaN"),
        ("{{ $value | humanizePercentage }}", -math.inf, "-Inf"),
        ('{{ $value }} {{ $value | humanize }} {{ printf "%.2f" $value }}', None, "unknown unknown unknown"),
    ],
)
def test_texts_are_filled_in_as_prometheus_does(text: str, value: float | None, filled: str) -> None:
    """Its own examples among them; an unknown value is said to be."""
    assert mistakes(text) == []
    assert fill(text, LABELS, value) == filled


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("{{ if $value }}x{{ end }}", "if", "'if' is not supported"),
        ("{{ range query `up` }}", "range", "'range' is not supported"),
        ("{{ with $labels }}", "with", "'with' is not supported"),
        ("{{ query `up` | first | value }}", "query", "the template function 'query' is not supported"),
        ("{{ $externalURL }}", "$externalURL", "'$externalURL' is not supported"),
        ("{{ $x := 1 }}", ":=", "':=' is not supported"),
        ("{{ $value 2 }}", "$value", "'$value' takes no arguments"),
        ("{{ .Alerts }}", ".Alerts", "'.Alerts' is not supported"),
        ("{{ $labels.a.b }}", "$labels.a.b", "'$labels.a.b' is not supported"),
        ("{{ humanize $value 2 }}", "humanize", "humanize does not take 2 arguments"),
        ('{{ printf "%.2f" }}', "printf", "wants 1 arguments, not 0"),
        ('{{ printf "%999999999d" $value }}', "printf", "'%999999999d' is wider than 100"),
        ('{{ printf "%x" $value }}', "printf", "the verb '%x' is not supported"),
        ("{{ printf $labels.cluster }}", "printf", "printf needs a text in quotation marks first"),
        ("{{ }}", "{{", "nothing stands between"),
        ("{{ $value", "{{", "never closed"),
        ("{{ ($value }}", "($value", "closing parenthesis is missing"),
        ("{{ $value | }}", "$value |", "something is missing"),
        ('{{ "abc }}', '"abc', "is not supported"),
        ("{{ " + "(" * 40 + "$value" + ")" * 40 + " }}", "(" * 40 + "$value" + ")" * 40, "parentheses inside"),
    ],
)
def test_what_is_not_understood_is_named(text: str, words: str, message: str) -> None:
    """The word itself, so that its place in the file can be told."""
    first = mistakes(text)[0]
    assert first.words == words
    assert message in str(first)


def test_what_is_filled_in_is_not_read_again() -> None:
    """A label that looks like a template stays what it is."""
    assert fill("{{ cluster }}", {"cluster": "{{ $value }}"}, 1.0) == "{{ $value }}"


def test_a_filled_text_has_an_end() -> None:
    """However long a label is."""
    filled = fill("{{ cluster }}{{ cluster }}", {"cluster": "x" * MAX_FILLED}, 1.0)
    assert len(filled) == MAX_FILLED
    assert filled.endswith("…")


@given(st.text('{}-/*|().$%"`\\ \nvalueprintfLabels09é', max_size=60), st.none() | st.floats())
def test_no_text_breaks_it(text: str, value: float | None) -> None:
    """Whatever stands in a file is filled in or named."""
    mistakes(text)
    assert len(fill(text, LABELS, value)) <= MAX_FILLED
