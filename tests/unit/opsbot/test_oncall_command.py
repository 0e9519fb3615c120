"""`opsbot oncall`: who is on call, from the file, at any time."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from opsbot.cli import main
from opsbot.config import Settings

ROOT = Path(__file__).parents[3]


def write(folder: Path, rota: str | None) -> Path:
    """Settings with that rota; the path of the settings."""
    named = ""
    if rota is not None:
        (folder / "oncall.yaml").write_text(rota, encoding="utf-8")
        named = f"oncall: {folder}/oncall.yaml\n"
    path = folder / "opsbot.yaml"
    path.write_text(
        f"version: 1\nrunbooks: []\nalert_rules: []\nserving: [{{cluster: a, url: 'http://127.0.0.1:8000'}}]\n{named}"
        "people: [{user: U0ANNA, roles: [responder]}, {user: U0BEN, roles: [commander]}]\n",
        encoding="utf-8",
    )
    return path


def run(path: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and output."""
    result = CliRunner().invoke(main, [*arguments, "--config", str(path)])
    return result.exit_code, result.output


EXAMPLE = (ROOT / "docs/examples/oncall.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (
            "2026-01-05T10:00",
            "serving (Europe/Berlin)\n  now   anna (U0ANNA) until Mon 2026-01-05 18:00 CET\n  next  cleo (U0CLEO)\n",
        ),
        # 07:30 in summer time, which began two days before.
        (
            "2026-03-31T05:30Z",
            "serving (Europe/Berlin)\n  now   cleo (U0CLEO) until Tue 2026-03-31 09:00 CEST\n  next  anna (U0ANNA)\n",
        ),
        (
            "2026-12-25T03:00",
            "serving (Europe/Berlin)\n  now   dana (U0DANA) until Sun 2026-12-27 09:00 CET\n  next  ben (U0BEN)\n"
            "  an override from Thu 2026-12-24 12:00 CET to Sun 2026-12-27 09:00 CET\n",
        ),
    ],
)
def test_who_is_on_call_at_a_time(tmp_path: Path, at: str, said: str) -> None:
    """In the schedule's zone, or with an offset."""
    assert run(write(tmp_path, EXAMPLE), "oncall", "--at", at) == (0, said)


def test_now_is_the_default(tmp_path: Path) -> None:
    """One schedule, somebody."""
    status, output = run(write(tmp_path, EXAMPLE), "oncall")
    assert status == 0
    assert output.startswith("serving (Europe/Berlin)\n  now   ")


@pytest.mark.parametrize(
    ("rota", "at", "said"),
    [
        (None, "2026-01-05", "names no rota: write `oncall: oncall.yaml`"),
        ("version: 1\npeople: {}\n", "2026-01-05", "oncall.yaml:2:9: people:"),
        (EXAMPLE, "tomorrow", "--at: a time such as 2026-03-29T02:30"),
    ],
)
def test_what_cannot_be_answered_says_what_to_do(tmp_path: Path, rota: str | None, at: str, said: str) -> None:
    """With exit status 1."""
    status, output = run(write(tmp_path, rota), "oncall", "--at", at)
    assert status == 1
    assert said in output


def test_check_reads_the_rota_and_knows_who_may_acknowledge(tmp_path: Path) -> None:
    """cleo and dana of the example have no role in these settings."""
    status, output = run(write(tmp_path, EXAMPLE), "check")
    assert status == 1
    lines = output.splitlines()
    assert (
        f"{tmp_path}/oncall.yaml:8:9: cleo (U0CLEO) could not acknowledge: give U0CLEO the role responder" in lines[0]
    )
    assert "dana" in lines[1]
    assert lines[2] == "2 problems in 2 files"


def test_settings_without_a_rota_have_none() -> None:
    """Both are optional."""
    assert (Settings.model_fields["oncall"].default, Settings.model_fields["heartbeat"].default) == (None, None)
