"""The text format that targets expose."""

from __future__ import annotations

import time

import pytest

from opsbot.errors import SourceError
from opsbot.source.exposition import Exposition

ADDED = {"cluster": "a"}


def read(text: str, **renames: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Values by sorted labels, those of the target left out."""
    exposition = Exposition(ADDED, renames)
    values = exposition.read(text)
    return {
        tuple(sorted((k, v) for k, v in labels.items() if (k, v) != ("cluster", "a"))): value
        for labels, value in zip(exposition.labels, values, strict=True)
    }


@pytest.mark.parametrize(
    ("line", "labels", "value"),
    [
        ("m 1", {}, 1.0),
        ("m\t2.5e3", {}, 2500.0),
        ("  m{} 3 ", {}, 3.0),
        ("vllm:m 1 1395066363000", {}, 1.0),
        ('m{a="b",c="d",} -Inf', {"a": "b", "c": "d"}, float("-inf")),
        ('m { a = "b" , c="d" } 1', {"a": "b", "c": "d"}, 1.0),
        ('m{path="/{x}, y=\\"z\\"\\\\ \\n"} 1', {"path": '/{x}, y="z"\\ \n'}, 1.0),
        ('m{a="",b="x"} 1', {"b": "x"}, 1.0),
        ('m{cluster="own"} 1', {"exported_cluster": "own"}, 1.0),
        ('m{a="line\u2028separator"} 1', {"a": "line\u2028separator"}, 1.0),
    ],
)
def test_a_sample_is_read(line: str, labels: dict[str, str], value: float) -> None:
    """Spaces, escapes, an explicit time, empty labels, and labels that the target has itself."""
    name = "vllm:m" if line.startswith("vllm") else "m"
    assert read(line) == {tuple(sorted({**labels, "__name__": name}.items())): value}


def test_comments_and_empty_lines_are_no_samples() -> None:
    """HELP and TYPE are for people."""
    assert read("# HELP m x\n# TYPE m gauge\n\n   \nm 1\n# EOF") == {(("__name__", "m"),): 1.0}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("m", "not a sample: 'm'"),
        ("m one", "not a number: 'm one'"),
        ("m 1 2 3", "not a sample"),
        ("9m 1", "not a metric name: '9m'"),
        ("m{a=b} 1", "not a label: 'a=b'"),
        ('m{a="b" c="d"} 1', "not a label"),
        ('m_bucket{le="1"} 5 # {trace_id="x"} 0.5', "not a"),
        ("<html>", "not a sample"),
        ('{"status": "ok"}', "not a"),
    ],
)
def test_what_is_not_in_the_format_is_refused(line: str, message: str) -> None:
    """A page of another kind must not pass for metrics."""
    with pytest.raises(SourceError) as caught:
        read(f"good 1\n{line}\n")
    assert message in str(caught.value)


def test_a_colon_that_a_proxy_rewrote_is_restored() -> None:
    """`vllm_` becomes `vllm:` where the target is configured so; only at the start of a name."""
    assert read("vllm_num_vllm_x 1\nother 2", vllm_="vllm:") == {
        (("__name__", "vllm:num_vllm_x"),): 1.0,
        (("__name__", "other"),): 2.0,
    }


def test_churning_labels_cost_no_memory() -> None:
    """Only the series of the last text are remembered."""
    exposition = Exposition(ADDED, {})
    for number in range(100):
        exposition.read(f'm{{id="{number}"}} 1')
    assert len(exposition._known) == 1
    assert [labels["id"] for labels in exposition.labels] == ["99"]


def test_labels_are_parsed_once() -> None:
    """The second reading of 2,000 series costs a small part of the first."""
    exposition = Exposition(ADDED, {})
    text = "".join(f'm{{model_name="tiny",engine="0",le="{number}"}} {number}\n' for number in range(2000))
    began = time.perf_counter()
    exposition.read(text)
    first_s = time.perf_counter() - began
    again = []
    for _ in range(5):
        began = time.perf_counter()
        exposition.read(text)
        again.append(time.perf_counter() - began)
    assert min(again) < first_s / 2


def test_the_second_reading_finds_what_the_first_would() -> None:
    """A text with the same series in the same lines is read the short way: new values, the same labels object."""
    exposition = Exposition(ADDED, {})
    assert list(exposition.read('# HELP m x\nm{a="b"} 1\nn 2\n')) == [1.0, 2.0]
    labels = exposition.labels
    assert list(exposition.read('# HELP m y\nm{a="b"} 3\nn +Inf\n')) == [3.0, float("inf")]
    assert exposition.labels is labels
    with pytest.raises(SourceError, match="not a number: 'n x'"):
        exposition.read('m{a="b"} 3\nn x\n')
    assert list(exposition.read('n 4\nm{a="b"} 5 1395066363000\n')) == [4.0, 5.0]
    assert [labels["__name__"] for labels in exposition.labels] == ["n", "m"]


def test_a_timestamp_never_passes_for_a_value() -> None:
    """Lines with one are read the long way every time."""
    exposition = Exposition(ADDED, {})
    for value in (1.0, 2.0):
        assert list(exposition.read(f"m {value} 1395066363000\nn {value}\n")) == [value, value]
