"""`roofline` and `calibrate` as a user runs them."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from serving_stub.__main__ import main


def test_roofline_answers_the_capacity_questions() -> None:
    """Ridge, crossing batch, KV tokens and swap against recompute on one line a device."""
    done = CliRunner().invoke(main, ["roofline", "--format", "int8", "--device", "h100", "--context", "100"])
    assert done.exit_code == 0
    row = next(line for line in done.output.splitlines() if "h100" in line)
    assert row.split()[1:4] == ["591", "297", "398"]


def test_sources_are_told() -> None:
    """Each figure with where it comes from."""
    done = CliRunner().invoke(main, ["roofline", "--device", "h100", "--sources"])
    assert "h100.host_gb_per_s = 32: " in done.output
    assert "llama-3.1-8b: config.json of " in done.output


def test_an_unknown_device_is_a_wrong_setting() -> None:
    """Exit code 2 and a hint, no traceback."""
    done = CliRunner().invoke(main, ["roofline", "--device", "h10"])
    assert done.exit_code == 2
    assert done.stderr.startswith("serving_stub: unknown device 'h10', did you mean 'h100'?")


def test_calibrate_keeps_what_it_measured(tmp_path: Path) -> None:
    """In a file of the folder it is told, which is a catalogue."""
    done = CliRunner().invoke(main, ["calibrate", "--num-threads", "1", "--cache-dir", str(tmp_path)])
    assert done.exit_code == 0
    (path,) = tmp_path.iterdir()
    assert f"kept in {path}" in done.output
    again = CliRunner().invoke(main, ["roofline", "--catalogue", str(path), "--device", "this-cpu"])
    assert again.exit_code == 0
    assert "this-cpu" in again.output
