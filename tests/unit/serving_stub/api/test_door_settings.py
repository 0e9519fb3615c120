"""The door file: the documented example, whole paths, and what is wrong with a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from serving_stub.api.door_settings import DoorSettings, load_door
from serving_stub.errors import FileError

PAGE = (Path(__file__).parents[4] / "docs/serving.md").read_text(encoding="utf-8")


def written(folder: Path, text: str) -> Path:
    """*text* as a door file."""
    path = folder / "door.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_documented_file_loads(tmp_path: Path) -> None:
    """What docs/serving.md shows is a door file, and every key of one is in its table."""
    section = PAGE.split("### The door file")[1].split("\n## ")[0]
    (example,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    settings = load_door(written(tmp_path, example))
    assert (settings.cluster, settings.ramp.steps) == ("tokyo-1", 5)
    assert settings.request_log is not None
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) | set(
        re.findall(r"^\| (?:`\w+`, )+`(\w+)`", section, re.MULTILINE)
    ) | {"patterns"} == set(DoorSettings.model_fields)


def test_paths_start_at_the_files_folder(tmp_path: Path) -> None:
    """A file may be started from anywhere."""
    settings = load_door(written(tmp_path, "accounts: accounts.jsonl\nrequest_log: {to: events.jsonl}\n"))
    assert settings.accounts == tmp_path / "accounts.jsonl"
    assert settings.request_log is not None
    assert settings.request_log.to == str(tmp_path / "events.jsonl")


def test_without_a_file_all_is_as_usual() -> None:
    """No flag, no file, no surprise."""
    assert load_door(None) == DoorSettings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clutser: a\n", r"door.yaml:1:1: .*clutser.*cluster"),
        ("ramp: {steps: 0}\n", r"door.yaml:1:\d+: .*steps"),
        ("cluster: a\ncluster: b\n", r"door.yaml:2:1: .*cluster"),
        ("request_log: {to: 7}\n", r"door.yaml:1:\d+: "),
    ],
)
def test_a_bad_file_says_where(tmp_path: Path, text: str, said: str) -> None:
    """Line, column, and what was probably meant."""
    with pytest.raises(FileError, match=said):
        load_door(written(tmp_path, text))
