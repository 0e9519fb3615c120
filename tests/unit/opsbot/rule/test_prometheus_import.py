"""Rule files of others: what loads is written as it was, and what does not is named with its place."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from opsbot.cli import main
from opsbot.rule.loader import load_rule_file
from opsbot.rule.prometheus_import import import_rules

DATA = Path(__file__).parents[3] / "data/rules"
FUNCTIONS_TOLD = "; supported are "
WORDS_TOLD = ": only labels, the value and functions are filled in"


def run(file: Path, out: Path, *more: str) -> tuple[int, list[str]]:
    """Exit status and lines of `opsbot import prometheus-rules`."""
    result = CliRunner().invoke(main, ["import", "prometheus-rules", str(file), "--out", str(out), *more])
    lines = [
        line.replace(f"{DATA}/", "").split(FUNCTIONS_TOLD)[0].removesuffix(WORDS_TOLD)
        for line in result.output.splitlines()
    ]
    return result.exit_code, lines


def test_published_example_alerts(tmp_path: Path) -> None:
    """All load once it is said what `none` is to us."""
    status, lines = run(DATA / "exporter.yml", tmp_path, "--severity", "none=info")
    assert (status, lines) == (0, [
        "exporter.yml:7:7: MachineMemoryLow: loads",
        "exporter.yml:16:7: MachineDiskFullSoon: loads",
        "exporter.yml:24:7: MachineMemoryErrors: loads",
        "exporter.yml:32:7: MachineIdle: loads (severity: info)",
        f"4 of 4 rules load; wrote {tmp_path}/exporter.yaml",
    ])  # fmt: skip
    file, problems = load_rule_file(tmp_path / "exporter.yaml")
    assert problems == []
    assert file is not None
    assert [(rule.name, rule.for_s) for rule in file.rules][3] == ("MachineIdle", 604800.0)


def test_a_kubernetes_manifest(tmp_path: Path) -> None:
    """Windows that are too long, names that are used twice, and templates that compute; and what hangs on these."""
    status, lines = run(DATA / "operator.yaml", tmp_path)
    assert (status, lines) == (1, [
        "operator.yaml:12:7: service:gateway_errors:ratio_rate5m: loads",
        "operator.yaml:17:7: service:gateway_errors:ratio_rate30d: does not load",
        "  operator.yaml:17:13: expr: looks back 30d, and watch keeps the samples of 7d; ask for less",
        "operator.yaml:24:7: GatewayErrors: loads",
        "operator.yaml:36:7: GatewayErrorBudgetBurn: does not load",
        "  operator.yaml:36:7: asks for the series service:gateway_errors:ratio_rate30d, "
        "whose rule at line 17 does not load",
        "operator.yaml:42:7: GatewayErrors: does not load",
        "  operator.yaml:42:14: the alert 'GatewayErrors' is already defined at operator.yaml:24",
        "operator.yaml:46:7: GatewayVersions: does not load",
        "  operator.yaml:50:14: description: 'range' is not supported",
        "  operator.yaml:50:73: description: 'end' is not supported",
        "  operator.yaml:51:13: expr: the aggregation 'count_values' is not supported",
        f"2 of 6 rules load; wrote {tmp_path}/operator.yaml",
    ])  # fmt: skip
    written = (tmp_path / "operator.yaml").read_text()
    assert written.startswith(
        "# Taken over from operator.yaml by `opsbot import prometheus-rules`: 2 of 6 rules load.\n"
    )
    assert "      # Ratios of a quiet service say little.\n" in written
    assert load_rule_file(tmp_path / "operator.yaml")[1] == []


def test_nothing_is_added_silently(tmp_path: Path) -> None:
    """A severity that we do not know is named; with what the caller says it is, everything loads, and that is told."""
    status, lines = run(DATA / "engine.yml", tmp_path / "a")
    assert (status, lines[-1]) == (1, f"1 of 3 rules load; wrote {tmp_path}/a/engine.yaml")
    assert "severity: 'page' is none of" in lines[2]
    assert "the label 'severity' is missing" in lines[4]
    status, lines = run(DATA / "engine.yml", tmp_path / "b", "--severity", "page=critical", "--severity", "=low")
    assert (status, lines) == (0, [
        "engine.yml:6:9: EngineQueueLong: loads",
        "engine.yml:13:9: EngineCacheFull: loads (severity: critical)",
        "engine.yml:20:9: EngineSlow: loads (severity: low)",
        f"3 of 3 rules load; wrote {tmp_path}/b/engine.yaml",
    ])  # fmt: skip


def test_what_is_written_says_the_same(tmp_path: Path) -> None:
    """Taking it over a second time changes nothing."""
    run(DATA / "engine.yml", tmp_path, "--severity", "page=critical", "--severity", "=low")
    first, second = import_rules(tmp_path / "engine.yaml", {}), import_rules(tmp_path / "engine.yaml", {})
    assert first.is_whole
    assert first.text("x") == second.text("x")


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """Somebody may have edited it."""
    run(DATA / "engine.yml", tmp_path)
    status, lines = run(DATA / "engine.yml", tmp_path)
    assert status == 1
    assert f"{tmp_path}/engine.yaml is there already" in lines[-1]


def test_what_is_no_rule_file_is_said(tmp_path: Path) -> None:
    """Nothing is written then."""
    path = tmp_path / "x.yaml"
    path.write_text("alerts: []\n")
    assert run(path, tmp_path / "out") == (
        1, [f"{path}:1:1: there is no list `groups`: this is no rule file", "0 of 0 rules load"],
    )  # fmt: skip
    path.write_text("extra: 1\ngroups:\n- name: g\n- name: h\n  rules: [5]\n")
    status, lines = run(path, tmp_path / "out")
    assert status == 1
    assert lines[:3] == [
        f"{path}:1:1: unknown key 'extra'",
        f"{path}:3:3: a group needs a list of `rules`",
        f"{path}:5:11: (no rule): does not load",
    ]
    assert not (tmp_path / "out").exists()


def test_a_severity_must_be_ours(tmp_path: Path) -> None:
    """The mapping itself is checked."""
    status, lines = run(DATA / "engine.yml", tmp_path, "--severity", "page=panic")
    assert status == 2
    assert "after '=' stands one of critical, high" in lines[-1]
