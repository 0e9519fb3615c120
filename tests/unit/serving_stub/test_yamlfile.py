"""YAML files of the server: what is refused, where, and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from serving_stub.errors import FileError, SettingError
from serving_stub.yamlfile import Duration, load, loads


class Inner(BaseModel):
    """One of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    mode: Literal["notice", "safe"] = "notice"
    wait: Duration = 1.0


class Outer(BaseModel):
    """A file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: tuple[Inner, ...] = ()
    flag: bool = False
    note: str | None = None
    number: int = 0


def problems(text: str) -> list[str]:
    """What is wrong with *text* as a file named `f.yaml`."""
    with pytest.raises(FileError) as caught:
        loads(text, "f.yaml", Outer)
    return list(caught.value.problems)


def test_a_good_file(tmp_path: Path) -> None:
    """What is written is what is read; a quoted scalar is text, a duration is seconds."""
    path = tmp_path / "f.yaml"
    path.write_text('flag: true\nnote: "12"\nnumber: 12\nitems: [{name: a, wait: 1m30s}]\n')
    assert load(path, Outer) == Outer(flag=True, note="12", number=12, items=(Inner(name="a", wait=90.0),))


def test_every_problem_is_reported_with_its_place() -> None:
    """Sorted by place; unknown keys and words come with the nearest known one."""
    text = "items:\n  - nmae: a\n    mode: notise\n  - name: b\n    wait: 30.0\nflags: true\n"
    assert problems(text) == [
        "f.yaml:2:5: the key 'name' is missing",
        "f.yaml:2:5: unknown key 'nmae', did you mean 'name'?",
        "f.yaml:3:11: mode: 'notise' is none of 'notice' or 'safe', did you mean 'notice'?",
        "f.yaml:5:11: wait: a duration such as 30s, 5m or 1h30m is needed, not 30.0",
        "f.yaml:6:1: unknown key 'flags', did you mean 'flag'?",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("flag: true\nflag: false\n", "f.yaml:2:1: the key 'flag' is here twice; keep one of them"),
        ("note: &a x\n", "f.yaml:1:7: anchors (&name) are not allowed; write the value where it is used"),
        ("note: !!str 1\n", "f.yaml:1:7: tags (!name) are not allowed; the field says what type it takes"),
        ("note: [\n", "f.yaml:2:1: not valid YAML: did not find expected node content"),
        ("", "f.yaml:1:1: the file is empty"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: not valid YAML: but found another document"),
        ("[" * 40, "f.yaml:1:33: more than 32 levels deep"),
        ("flag: no\n", "f.yaml:1:7: flag: input should be a valid boolean, not 'no'"),
        ("number: 0x1f\n", "f.yaml:1:9: number: input should be a valid integer, not '0x1f'"),
        ("note: 12\n", "f.yaml:1:7: note: input should be a valid string, not 12"),
        ("number: '12'\n", "f.yaml:1:9: number: input should be a valid integer, not '12'"),
    ],
)
def test_surprises_are_refused(text: str, problem: str) -> None:
    """Each with its place."""
    assert any(one.startswith(problem) for one in problems(text)), problems(text)


def test_an_alias_is_refused_before_anything_is_built() -> None:
    """Ten lines of aliases would otherwise become gigabytes."""
    assert "f.yaml:2:9: aliases (*name) are not allowed; write the value again" in problems("note: &a x\nnumber: *a\n")


def test_a_missing_file_is_a_setting_error(tmp_path: Path) -> None:
    """Whoever catches wrong settings catches wrong files too."""
    with pytest.raises(SettingError, match=r"gone\.yaml:1:1: cannot be read: No such file"):
        load(tmp_path / "gone.yaml", Outer)


def test_a_check_over_the_whole_file_has_places_too() -> None:
    """What one part says about another."""

    def names_differ(whole: Outer) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield ("items", 1, "name"), "name: 'a' is taken"

    with pytest.raises(FileError) as caught:
        loads("items:\n  - name: a\n  - name: a\n", "f.yaml", Outer, names_differ)
    assert caught.value.problems == ("f.yaml:3:11: name: 'a' is taken",)
