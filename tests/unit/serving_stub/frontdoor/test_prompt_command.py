"""`prompts` as somebody uses it who is about to pin one."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from serving_stub.frontdoor.prompt_command import prompts
from serving_stub.frontdoor.prompt_library import load_library


def test_it_tells_the_hash_to_pin() -> None:
    """One line a prompt, by id."""
    done = CliRunner().invoke(prompts)
    assert done.exit_code == 0
    assert [line.split()[:2] for line in done.output.splitlines()] == [
        ["cat", "persona"],
        ["notice", "notice"],
        ["safe", "safe"],
    ]
    assert load_library().prompts["cat"].sha256 in done.output


def test_a_bad_library_is_a_wrong_setting(tmp_path: Path) -> None:
    """Exit code 2 and the place of each problem."""
    (tmp_path / "a.yaml").write_text("id: a\n")
    done = CliRunner().invoke(prompts, ["--folder", str(tmp_path)])
    assert done.exit_code == 2
    assert "a.yaml:1:1: the key 'title' is missing" in done.stderr


def test_an_empty_library_says_what_it_lacks(tmp_path: Path) -> None:
    """A notice is always needed."""
    done = CliRunner().invoke(prompts, ["--folder", str(tmp_path)])
    assert done.exit_code == 2
    assert "no file of mode notice" in done.stderr
