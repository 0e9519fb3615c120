"""A backtest finds what a live evaluation found: over the history that watch wrote, and over a real Prometheus."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from opsbot.cli import main
from opsbot.clock import from_rfc3339, to_rfc3339
from opsbot.source import servers
from tests.support.backtest import LENGTH_S, Fired, Story, lived, rules_in, stored
from tests.support.ports import free_port
from tests.support.prometheus import prometheus
from tests.support.watching import rule_text

pytestmark = pytest.mark.integration

RUNBOOK = """\
version: 1
id: relieve
name: Relieve it
description: Look at the load.
owner: serving
mode: auto
cooldown: 4h
triggers: [{type: alert, match: {alertname: Busy}}]
timeout: 10m
steps:
  - {id: look, name: Look, uses: prometheus.query, with: {query: up}, timeout: 10s}
"""


def begun() -> float:
    """A story that has just ended begins then, at a whole minute."""
    return math.floor((time.time() - LENGTH_S - 60) / 60) * 60.0


def settings(folder: Path, **more: object) -> Path:
    """Settings over that folder."""
    (folder / "runbooks").mkdir(exist_ok=True)
    path = folder / "opsbot.yaml"
    body = {
        "version": 1,
        "data_dir": str(folder / "data"),
        "alert_rules": [str(folder / "rules.yaml")],
        "runbooks": [str(folder / "runbooks")],
        "serving": [{"cluster": "eu-1", "url": "http://127.0.0.1:9"}],
    }
    path.write_text(json.dumps(body | more), encoding="utf-8")
    return path


def run(path: Path, *arguments: str) -> Result:
    """The command."""
    return CliRunner().invoke(main, ["backtest", "--config", str(path), *arguments])


def found(path: Path, story: Story, *arguments: str) -> Any:
    """Its answer over the whole story."""
    span = ("--since", to_rfc3339(story.start_s), "--until", to_rfc3339(story.end_s))
    result = run(path, *span, "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def episodes(answer: Any, story: Story) -> list[Fired]:
    """Its episodes as the story counts."""
    rows = [
        Fired(
            one["alert"],
            one["labels"].get("cluster", ""),
            from_rfc3339(one["begins_at"]) - story.start_s,
            None if one["ends_at"] is None else from_rfc3339(one["ends_at"]) - story.start_s,
        )
        for one in answer["episodes"]
    ]
    return sorted(rows, key=lambda one: (one.begins_s, one.name, one.cluster))


def compare(given: list[Fired], expected: list[Fired]) -> None:
    """The same episodes; those of a window that watch does not answer at every instant to half a minute."""
    assert [one for one in given if one.name != "LongFailing"] == [one for one in expected if one.name != "LongFailing"]
    for mine, other in zip(
        [one for one in given if one.name == "LongFailing"],
        [one for one in expected if one.name == "LongFailing"],
        strict=True,
    ):
        assert mine.cluster == other.cluster
        assert mine.begins_s == pytest.approx(other.begins_s, abs=30)
        assert mine.ends_s == pytest.approx(other.ends_s, abs=30)


def test_over_history_and_over_prometheus_as_it_was_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rule fires and ends at the same second in all three.

    But for a window that watch answers anew each 20 s only, which a server does at every instant. What is too large
    for one answer is asked in parts.
    """
    start_s = begun()
    live = lived(Story(start_s), rules_in(tmp_path), tmp_path / "data")
    assert {one.name for one in live} == {"Busy", "Full", "Failing", "LongFailing", "Gone", "Strict", "Down"}
    story = Story(start_s)
    over_history = found(settings(tmp_path), story)
    assert episodes(over_history, story) == live
    assert over_history["gaps"] == []
    with prometheus(tmp_path / "prometheus") as url:
        stored(Story(start_s), url)
        over_server = found(settings(tmp_path, prometheus={"url": url, "interval": "10s"}), story, "--step", "10s")
        monkeypatch.setattr(servers, "MAX_RANGE_BYTES", 20_000)
        in_parts = found(settings(tmp_path, prometheus={"url": url, "interval": "10s"}), story, "--step", "10s")
    compare(episodes(over_server, story), live)
    assert over_server["gaps"] == []
    assert in_parts == over_server
    assert over_server["num_pages"] == over_history["num_pages"] > 0


def test_a_time_in_which_nobody_watched_is_said_and_ends_nothing(tmp_path: Path) -> None:
    """An alert goes on over it, blind from the third missing scrape, and missing data of that time fires nothing."""
    start_s = begun()
    # From within the second peak until long after it.
    lived(Story(start_s), rules_in(tmp_path), tmp_path / "data", asleep=(105 * 60, 130 * 60))
    story = Story(start_s)
    answer = found(settings(tmp_path), story)
    (gap,) = answer["gaps"]
    assert from_rfc3339(gap["begins_at"]) - start_s == 105 * 60 - 10
    assert from_rfc3339(gap["ends_at"]) - start_s == 130 * 60
    full = [one for one in answer["episodes"] if one["alert"] == "Full"]
    assert [one["labels"]["cluster"] for one in full] == ["eu-1"]
    assert full[0]["blind_s"] == pytest.approx(25 * 60, abs=40)
    gone = [one.begins_s for one in episodes(answer, story) if one.name == "Gone"]
    assert gone == [141 * 60]
    assert "nobody watched" in run(settings(tmp_path), "--since", "4h").output


def test_a_time_in_which_prometheus_did_not_run_is_said(tmp_path: Path) -> None:
    """By `up`; missing data of that time fires nothing."""
    story = Story(begun())
    rules_in(tmp_path)
    with prometheus(tmp_path / "prometheus") as url:
        stored(Story(story.start_s), url, asleep=(105 * 60, 130 * 60))
        server = {"url": url, "name": "eu", "interval": "10s", "labels": {"region": "eu"}}
        answer = found(settings(tmp_path, prometheus=server), story, "--step", "10s")
    (gap,) = answer["gaps"]
    assert gap["source"] == "eu"
    assert from_rfc3339(gap["begins_at"]) - story.start_s == pytest.approx(105 * 60, abs=120)
    assert from_rfc3339(gap["ends_at"]) - story.start_s == pytest.approx(130 * 60, abs=60)
    assert [one.begins_s for one in episodes(answer, story) if one.name == "Gone"] == [141 * 60]
    assert {one["labels"]["region"] for one in answer["episodes"]} == {"eu"}


def test_what_pages_and_what_runs(tmp_path: Path) -> None:
    """Severities that wake page once an incident; a runbook starts once within its cooldown."""
    start_s = begun()
    busy = rule_text("Busy", expr="load > 0.8", for_="2m")
    lived(Story(start_s), rules_in(tmp_path, busy), tmp_path / "data")
    path, story = settings(tmp_path), Story(start_s)
    (tmp_path / "runbooks/relieve.yaml").write_text(RUNBOOK)
    answer = found(path, story)
    starts = [
        (one["labels"]["cluster"], start["held_back"].partition(" ends in ")[0])
        for one in answer["episodes"]
        for start in one["runbooks"]
    ]
    assert starts == [
        ("eu-1", ""), ("us-1", ""), ("eu-1", "its cooldown on eu-1"), ("us-1", "its cooldown on us-1"),
    ]  # fmt: skip
    assert answer["num_pages"] == answer["num_incidents"] == 4
    (row,) = answer["rules"]
    assert (row["num_episodes"], row["num_pages"], row["num_starts"], row["num_held_back"]) == (4, 4, 2, 2)
    assert run(path, "--since", "4h", "--max-pages", "4").exit_code == 0
    too_many = run(path, "--since", "4h", "--max-pages", "3")
    assert too_many.exit_code == 3
    assert "4 pages are more than 3" in too_many.stderr
    text = run(path, "--since", "4h").stdout
    assert "relieve held back: its cooldown on eu-1 ends in" in text
    assert "4 episodes, 4 incidents, 4 pages, 2 runs" in text


def test_less_history_than_asked_for_is_said(tmp_path: Path) -> None:
    """What there is is evaluated; the rest is unknown, not quiet."""
    lived(Story(begun()), rules_in(tmp_path), tmp_path / "data")
    result = run(settings(tmp_path))
    assert result.exit_code == 0
    assert "of what was asked for are not evaluated, since the history begins at" in result.stdout
    assert "that is not quiet, it is unknown" in result.stdout


def test_a_window_that_is_too_short_for_the_history_is_said(tmp_path: Path) -> None:
    """It is not taken for missing data: `no_data: fire` does not fire for it."""
    short = rule_text("Short", expr="rate(errors_total[5s]) > 0", no_data="fire")
    lived(Story(begun()), rules_in(tmp_path, short), tmp_path / "data")
    result = run(settings(tmp_path), "--since", "3h")
    assert "nothing would have fired" in result.stdout
    assert "Short was evaluated not at all: its windows are too short for samples that are 10s apart" in result.stdout


def test_without_a_history_it_says_what_to_start(tmp_path: Path) -> None:
    """And leaves no file behind."""
    rules_in(tmp_path)
    result = run(settings(tmp_path))
    assert result.exit_code == 1
    assert f"there is no history yet at {tmp_path}/data/watch-history.sqlite" in result.stderr
    assert "`opsbot watch` records one" in result.stderr
    assert not (tmp_path / "data").exists()


def test_a_prometheus_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """With what to do about it."""
    rules_in(tmp_path)
    server = {"url": f"http://127.0.0.1:{free_port()}", "name": "eu"}
    result = run(settings(tmp_path, prometheus=server))
    assert result.exit_code == 1
    assert "the Prometheus eu at http://127.0.0.1" in result.stderr
    assert "`opsbot sources` looks at it" in result.stderr


def test_a_bad_rule_file_does_not_stop_the_others(tmp_path: Path) -> None:
    """Its problems come with their places, and the exit status says that there are some."""
    start_s = begun()
    lived(Story(start_s), rules_in(tmp_path, rule_text("Busy", expr="load > 0.8", for_="2m")), tmp_path / "data")
    bad = tmp_path / "bad.yaml"
    bad.write_text("groups:\n  - name: g\n    rules:\n      - {alert: Bad, expr: 'load >', labels: {severity: high}}\n")
    path = settings(tmp_path)
    result = run(path, "--since", "4h", "--rules", str(tmp_path / "rules.yaml"), "--rules", str(bad))
    assert result.exit_code == 1
    assert f"{bad}:4:" in result.stderr
    assert "4 episodes" in result.stdout


@pytest.mark.parametrize("form", ["png", "svg"])
def test_the_chart_is_a_picture_of_that_kind(tmp_path: Path, form: str) -> None:
    """By the name of its file."""
    lived(Story(begun()), rules_in(tmp_path), tmp_path / "data")
    picture = tmp_path / f"chart.{form}"
    assert run(settings(tmp_path), "--since", "4h", "--chart", str(picture)).exit_code == 0
    begin = picture.read_bytes()[:200]
    assert begin.startswith(b"\x89PNG") if form == "png" else b"<svg" in picture.read_bytes()[:1000]


def test_a_chart_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Before anything is evaluated."""
    result = run(settings(tmp_path), "--chart", "chart.pdf")
    assert result.exit_code == 1
    assert "a name that ends in .png or .svg is needed" in result.stderr
