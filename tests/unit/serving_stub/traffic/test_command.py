"""The command line: what is refused, and how a run is shown."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from serving_stub.traffic.ask import Ask
from serving_stub.traffic.command import traffic
from serving_stub.traffic.live import LiveView, report
from serving_stub.traffic.persona import KeyFile, Population
from serving_stub.traffic.tally import Tally, Timing
from serving_stub.yamlfile import load

HELLO = Ask(0.0, "hello", 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--url", "http://x", "--scenario", "retry_strom"], "no scenario 'retry_strom', did you mean 'retry_storm'?"),
        (["--url", "http://x", "--scenario", "zzz"], "no scenario 'zzz'; There are: steady, launch_spike, diurnal,"),
        (["--url", "http://x", "--retries", "impatiently"], "did you mean 'impatient'?"),
        (["--url", "http://x", "--shape", "A11"], "no shape 'A11', did you mean 'A1'?"),
        (["--url", "http://x", "--summary", "/no/such/folder/s.json"], "there is no folder /no/such/folder"),
        ([], "a run needs --url"),
    ],
    ids=["near", "far", "retries", "shape", "summary", "url"],
)
def test_what_cannot_be_is_told_at_once(arguments: list[str], message: str) -> None:
    """Status 2, a line that says what to do, and nothing sent."""
    result = CliRunner().invoke(traffic, arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_a_wrong_file_of_keys_is_told_with_line_and_column(tmp_path: Path) -> None:
    """The problem names the place, and never the key."""
    path = tmp_path / "keys.yaml"
    path.write_text("keys:\n  - key: sk-secret\n    tenent: acme\n")
    result = CliRunner().invoke(traffic, ["--url", "http://x", "--keys", str(path)])
    assert result.exit_code == 2
    assert f"{path}:3:5: unknown key 'tenent', did you mean 'tenant'?" in result.output
    assert "sk-secret" not in result.output


def test_people_share_out_the_keys(tmp_path: Path) -> None:
    """By weight, each with its tenant, account and class."""
    path = tmp_path / "keys.yaml"
    path.write_text(
        "keys:\n"
        "  - {key: sk-1, tenant: acme, account: acme-ci, class: paid, weight: 3.0}\n"
        "  - {key: sk-2, tenant: solo}\n"
    )
    everybody = [who for country in ("US", "JP", "IN", "DE", "BR") for who in _people(path).all(country)]
    acme = [who for who in everybody if who.tenant == "acme"]
    assert {(who.account, who.service_class, who.key and who.key.get_secret_value()) for who in acme} == {
        ("acme-ci", "paid", "sk-1")
    }
    assert 0.6 < len(acme) / len(everybody) < 0.9


def _people(path: Path) -> Population:
    return Population.of(1, load(path, KeyFile).keys)


def test_the_package_is_a_command() -> None:
    """`python -m serving_stub.traffic` is `python -m serving_stub traffic`."""
    done = subprocess.run(
        [sys.executable, "-m", "serving_stub.traffic", "shapes"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[0].split(maxsplit=1) == ["A1", "reverse proxy on the web endpoint"]


def test_a_person_sees_rate_failures_and_time_left() -> None:
    """The panel of one second."""
    tally = Tally()
    for _ in range(20):
        tally.send(HELLO)
    tally.first_token(HELLO, 9.0, 0.25)
    tally.fail(HELLO, "status_503")
    shown = io.StringIO()
    with LiveView(Console(file=shown, width=100, force_terminal=True), "steady on x", 60.0, tally) as view:
        view.show(10.0)
    text = shown.getvalue()
    for expected in ("2.0/s", "19", "250 ms", "50 s", "failed: status_503 1"):
        assert expected in text


def test_a_person_gets_the_summary_as_tables() -> None:
    """Percentiles, goodput with its limits, and what failed."""
    tally = Tally()
    tally.send(HELLO)
    tally.finish(HELLO, Timing(ttft_s=0.5), 2.0)
    tally.send(HELLO)
    tally.refuse(HELLO, "shed")
    tally.fail(HELLO, "status_503")
    shown = io.StringIO()
    Console(file=shown, width=120).print(report(tally.summary(10.0, "steady", 0, 1.0)))
    text = shown.getvalue()
    for expected in ("time to first token", "goodput 0.10/s: 1 of 2", "refused by reason: shed 1", "status_503 1"):
        assert expected in text


def test_a_summary_is_json_that_says_all() -> None:
    """Its groups too, which are of another class than the whole."""
    tally = Tally()
    for label in ("short", "long"):
        tally.send(Ask(0.0, "hello", 0, label=label))
    said = json.loads(tally.summary(1.0, "long_context", 0, 1.0).model_dump_json())
    assert said["summary"] is True
    assert said["by"]["label"]["long"]["sent"] == 1


@pytest.mark.parametrize(("late_s", "is_said"), [(0.002, False), (0.3, True)])
def test_a_generator_that_was_late_says_so(late_s: float, is_said: bool) -> None:
    """Whoever reads the summary learns that it was not the server's limit that was met."""
    tally = Tally()
    tally.late.add(late_s)
    shown = io.StringIO()
    Console(file=shown, width=120).print(report(tally.summary(10.0, "steady", 0, 1.0)))
    assert ("the generator itself was late" in shown.getvalue()) is is_said
