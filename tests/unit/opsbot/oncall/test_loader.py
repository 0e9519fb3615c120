"""`oncall.yaml` is read strictly: every problem of the file, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.oncall.book import RotaBook
from opsbot.oncall.loader import load_rota

ROOT = Path(__file__).parents[4]
RIGHT = """\
version: 1
people: {anna: U0ANNA, ben: U0BEN}
schedules:
  - id: serving
    time_zone: Europe/Berlin
    rotations:
      - {people: [anna, ben], start: 2026-01-05}
    overrides:
      - {person: ben, from: 2026-02-01 09:00, to: 2026-02-02 09:00}
policies:
  - id: urgent
    levels:
      - {notify: ["schedule:serving", "person:ben"], after: 5m}
"""


def problems(folder: Path, text: str, responders: frozenset[str] | None = None) -> list[str]:
    """Line, column and message of each."""
    path = folder / "oncall.yaml"
    path.write_text(text, encoding="utf-8")
    rota, found = load_rota(path, responders)
    assert (rota is None) == bool(found)
    return [f"{one.line}:{one.column} {one.message}" for one in found]


def test_a_right_file_is_a_rota(tmp_path: Path) -> None:
    """With its defaults: a week each, handed over at 09:00, no repeats."""
    assert problems(tmp_path, RIGHT) == []
    rota, _ = load_rota(tmp_path / "oncall.yaml")
    assert rota is not None
    (rotation,) = rota.schedules[0].rotations
    assert (rotation.shift_days, rotation.handoff.isoformat(), rotation.hours) == (7, "09:00:00", None)
    assert [str(target) for target in rota.policies[0].levels[0].targets] == ["schedule:serving", "person:ben"]
    assert rota.policies[0].repeat == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[anna, ben]", "[ana, ben]", "7:19 'ana' does not stand under `people` of this file, did you mean 'anna'?"),
        ("Europe/Berlin", "Europe/Berlni", "5:16 time_zone: there is no time zone 'Europe/Berlni', did you mean"),
        ("schedule:serving", "schedule:servign", "13:19 there is no schedule 'servign', did you mean 'serving'?"),
        ("person:ben", "person:bob", "13:39 'bob' does not stand under `people`"),
        ("start: 2026-01-05", "start: 2026-02-30", "7:38 start: a day such as 2026-01-05 is needed"),
        ("to: 2026-02-02 09:00", "to: 2026-02-01 08:00", "9:51 the override ends at 2026-02-01 08:00, not after"),
        ("to: 2026-02-02 09:00", "to: 2026-02-02", "9:51 to: a local time such as 2026-01-05 18:00"),
        ("after: 5m", "after: 300", "13:61 after: a duration such as 30s, 5m or 1h30m is needed"),
        ("after: 5m", "afer: 5m", "13:54 unknown key 'afer', did you mean 'after'?"),
        ("U0ANNA", "anna@example.com", "2:16 anna: a Slack user id such as U0ANNA is needed"),
        ("    levels:", "    severities: [critcal]\n    levels:", "did you mean 'critical'?"),
        ("    levels:", "    match: ['cluster']\n    levels:", "`cluster` is no label matcher"),
        ("policies:\n", "policies:\n  - {id: urgent, levels: [{notify: ['person:ben']}]}\n", "'urgent' is here twice"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    """One problem for one mistake."""
    assert old in RIGHT
    found = problems(tmp_path, RIGHT.replace(old, new, 1))
    assert len(found) == 1, found
    assert said in found[0]


def test_overrides_do_not_overlap(tmp_path: Path) -> None:
    """Or it would not be clear who is meant."""
    more = "      - {person: anna, from: 2026-02-01 18:00, to: 2026-02-03 09:00}\npolicies:"
    (found,) = problems(tmp_path, RIGHT.replace("policies:", more))
    assert found.startswith("10:9 the override of anna overlaps the one of ben")


def test_everybody_on_call_may_acknowledge(tmp_path: Path) -> None:
    """Where the roles are known."""
    (found,) = problems(tmp_path, RIGHT, frozenset({"U0ANNA"}))
    assert found.startswith("2:29 ben (U0BEN) could not acknowledge: give U0BEN the role responder")


def test_the_shipped_example_is_right() -> None:
    """docs/examples/oncall.yaml."""
    rota, found = load_rota(ROOT / "docs/examples/oncall.yaml")
    assert found == []
    assert rota is not None


def test_a_bad_file_keeps_its_last_good_revision(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is said once, and a mended file is taken; a file that is gone is a problem, not an empty rota."""
    path = tmp_path / "oncall.yaml"
    path.write_text(RIGHT, encoding="utf-8")
    book = RotaBook(path)
    book.reload()
    good = book.rota.revision
    path.write_text(RIGHT.replace("version: 1", "version: 2"), encoding="utf-8")
    book.reload()
    book.reload()
    assert (book.rota.revision, len(book.problems)) == (good, 1)
    assert caplog.text.count("the last good revision stays in force") == 1
    path.unlink()
    book.reload()
    book.reload()
    assert book.rota.revision == good
    assert "cannot be read" in book.problems[0].message
    path.write_text(RIGHT.replace("after: 5m", "after: 6m"), encoding="utf-8")
    book.reload()
    assert book.rota.revision != good
    assert book.problems == ()


def test_the_last_good_revision_outlives_the_process(tmp_path: Path) -> None:
    """A core that starts over a bad file still knows whom to wake."""
    path, kept = tmp_path / "oncall.yaml", tmp_path / "kept.yaml"
    path.write_text(RIGHT, encoding="utf-8")
    first = RotaBook(path, kept)
    first.reload()
    path.write_text("version: 2\n", encoding="utf-8")
    again = RotaBook(path, kept)
    again.reload()
    assert again.rota == first.rota
    assert len(again.problems) == 2


def test_the_first_file_ever_may_be_bad(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Then nobody is on call, and that is said."""
    path = tmp_path / "oncall.yaml"
    path.write_text("version: 2\n", encoding="utf-8")
    book = RotaBook(path, tmp_path / "kept.yaml")
    book.reload()
    assert book.rota.schedules == ()
    assert "nobody is on call until it is mended" in caplog.text
