"""Strict YAML: positions, surprises that are refused, and what a problem says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from opsbot.yamlfile import (
    Document,
    Duration,
    format_duration,
    load,
    loads,
    parse_duration,
    suggest,
    validate,
)


class Step(BaseModel):
    """A step, as strict as the real ones."""

    model_config = ConfigDict(extra="forbid")

    name: str
    mode: Literal["suggest", "auto"] = "suggest"
    timeout: Duration = 5.0


class File(BaseModel):
    """A file of steps."""

    model_config = ConfigDict(extra="forbid")

    steps: list[Step]


def read(text: str) -> Document:
    """The document, which must have no problem."""
    document, problems = loads(text, "f.yaml")
    assert problems == []
    assert document is not None
    return document


def refused(text: str) -> list[str]:
    """The problems of a text, of which there must be some."""
    _, problems = loads(text, "f.yaml")
    assert problems
    return [str(problem) for problem in problems]


def wrong(text: str) -> list[str]:
    """The problems that the model has with a sound text."""
    model, problems = validate(read(text), File)
    assert model is None
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("012", "012"),
        ("0x1f", "0x1f"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("-7", -7),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("~", None),
        ("", None),
        ('"1"', "1"),
        ("30s", "30s"),
        (".inf", ".inf"),
    ],
)
def test_plain_scalars_are_what_they_look_like(text: str, value: object) -> None:
    """YAML 1.2's core schema decides; what 1.1 would have guessed stays text."""
    data = read(f"a: {text}").data
    assert data == {"a": value}
    assert isinstance(data, dict)
    assert type(data["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3:1: the key 'a' is here twice; keep one of them"),
        ("a: &x 1", "f.yaml:1:4: anchors (&name) are not allowed; write the value where it is used"),
        (
            "a: !!python/object:os.system {}",
            "f.yaml:1:4: tags (!name) are not allowed; the field says what type it takes",
        ),
        ("[a]: 1", "f.yaml:1:1: a key must be plain text"),
        (
            "a: [1",
            "f.yaml:2:1: not valid YAML: `,` or `]` is expected here: is `[` not closed, or a text not in quotes?",
        ),
        ("a: 1\n---\nb: 1", "f.yaml:2:1: not valid YAML: `---` begins another document; a file holds one"),
        ("a: \x00", "f.yaml:1:1: not valid YAML: unacceptable character #x0000: control characters are not allowed"),
        ("", "f.yaml:1:1: the file is empty"),
        ("a: 1234567890123456789", "f.yaml:1:4: the number is too large; quote it if it is text"),
        ("a: 1e999", "f.yaml:1:4: the number is too large; quote it if it is text"),
        ("\ta: 1", "f.yaml:1:1: not valid YAML: a tab cannot indent; use spaces"),
    ],
)
def test_surprises_are_refused_at_their_place(text: str, problem: str) -> None:
    """What YAML would resolve silently is a problem with line and column."""
    assert refused(text) == [problem]


def test_every_alias_is_refused_before_it_is_expanded() -> None:
    """A bomb of aliases is refused without being built."""
    bomb = "a: &a [x, x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a, *a]\n" for i in range(5))
    assert "f.yaml:2:10: aliases (*name) are not allowed; write the value again" in refused(bomb)


def test_a_file_of_brackets_does_not_end_the_process() -> None:
    """Nesting is bounded before the composer, which recurses on the C stack, sees the text."""
    assert refused("[" * 200 + "]" * 200) == ["f.yaml:1:33: more than 32 levels deep"]
    # PyYAML reads ahead, and from 6.0.4 on its own bound is met first.
    (said,) = refused("[" * 200_000)
    assert re.fullmatch(r"f\.yaml:1:\d+: .*(levels deep|nesting depth)", said)


def test_values_and_keys_know_their_places() -> None:
    """Marks are 1-based and count characters, not bytes."""
    document = read("é: 1\nsteps:\n  - name: drain\n    mode: auto\n")
    assert document.marks[("steps", 0, "mode")] == (4, 11)
    assert document.key_marks[("steps", 0, "mode")] == (4, 5)
    assert document.marks[("é",)] == (1, 4)


def test_a_problem_climbs_to_the_nearest_known_place() -> None:
    """A location that the file does not have is reported at what contains it."""
    document = read("steps:\n  - name: drain\n")
    assert str(document.problem(("steps", 0, "timeout"), "missing")) == "f.yaml:2:5: missing"
    assert str(document.problem(("nowhere", 3), "missing")) == "f.yaml:1:1: missing"
    assert str(document.problem(("steps", 0, "name"), "bad", at_key=True)) == "f.yaml:2:5: bad"


def test_all_problems_of_a_model_come_at_once_and_in_order() -> None:
    """Unknown key, unknown word, missing key and wrong type are each told with their place and a suggestion."""
    text = "steps:\n  - nme: drain\n    mode: sugest\n  - name: 3\n    timeout: 30\n"
    assert wrong(text) == [
        "f.yaml:2:5: the key 'name' is missing",
        "f.yaml:2:5: unknown key 'nme', did you mean 'name'?",
        "f.yaml:3:11: mode: 'sugest' is none of 'suggest' or 'auto', did you mean 'suggest'?",
        "f.yaml:4:11: name: text is needed, not 3; put it in quotes if it is meant as text",
        "f.yaml:5:14: timeout: a duration such as 30s, 5m or 1h30m is needed, not 30",
    ]


def test_a_sound_file_becomes_the_model() -> None:
    """Durations are seconds after validation."""
    model, problems = validate(read("steps:\n  - name: drain\n    timeout: 1h30m\n"), File)
    assert problems == []
    assert model is not None
    assert model.steps[0].timeout == 5400.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30.0), ("5m", 300.0), ("1h30m", 5400.0), ("500ms", 0.5), ("2d", 172_800.0), ("0s", 0.0)],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    """A duration is read as seconds and written back as it was."""
    assert parse_duration(text) == seconds
    assert format_duration(seconds) == text


@pytest.mark.parametrize("text", ["", "30", 30, 30.0, None, "5 m", "-5s", "1.5s", "30s5m", "5M", "s"])
def test_what_is_no_duration_is_refused(text: object) -> None:
    """A bare number has no unit, and units come from large to small."""
    with pytest.raises(ValueError, match="a duration such as"):
        parse_duration(text)


def test_suggestions_are_near_or_absent() -> None:
    """Only a word that is nearly right gets a suggestion."""
    words = ["serving.shed", "serving.drain"]
    assert suggest("serving.sched", words) == ", did you mean 'serving.shed'?"
    assert suggest("xyzzy", words) == ""


def test_files_are_read_or_explained(tmp_path: Path) -> None:
    """A missing file, a folder, bytes that are no text, and a huge file are problems, not exceptions."""
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    (tmp_path / "huge.yaml").write_text("#" * (1 << 20) + "\n")
    (tmp_path / "good.yaml").write_text("a: 1")
    shown = {name: load(tmp_path / name, name)[1] for name in ("no.yaml", "latin.yaml", "huge.yaml", "good.yaml")}
    assert {name: [str(p) for p in problems] for name, problems in shown.items()} == {
        "no.yaml": ["no.yaml:1:1: cannot be read: No such file or directory"],
        "latin.yaml": ["latin.yaml:1:1: is not UTF-8 text (byte 3)"],
        "huge.yaml": ["huge.yaml:1:1: the file is larger than 1048576 bytes"],
        "good.yaml": [],
    }


def test_the_digest_is_of_the_text(tmp_path: Path) -> None:
    """The same text has the same digest wherever it is; the digest is SHA-256."""
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\n")
    document, _ = load(path)
    assert document is not None
    assert document.digest == "37b128c59f1f5097f73f82691cb519f1f568667faab5ced1b4ab979d36837eae"
    assert document.digest == read("a: 1\n").digest
