"""Runbooks and tests of them as texts, performed."""

from __future__ import annotations

from pathlib import Path

from opsbot.testing.expect import Verdict
from opsbot.testing.session import plan, run

RUNBOOK = """\
version: 1
id: relief
name: Relief
owner: tests
mode: auto
timeout: 20m
triggers: [{type: alert, match: {alertname: Slow}}]
inputs:
  limit: {type: integer, default: 8, min: 1}
  fixed: {type: integer, default: 1, immutable: true}
steps:
  - id: read
    name: Read
    uses: prometheus.query
    with: {query: sum(up)}
  - id: resize
    name: Resize
    if: steps.read.outputs.value > 1.0
    uses: serving.set_batch
    with: {limit: "${{ inputs.limit }}"}
    lease: 60s
    approval: {from: responder, timeout: 10m}
    verify: {expr: min(up) == 1, for: 3s, timeout: 30s, means: all are up}
    on_verify_failed: undo
  - id: restart
    name: Restart
    uses: serving.restart
    with: {when: now}
    retry: {attempts: 2, delay: 1s}
    announce: {message: Restart soon., for: 2m, call_for_capacity: true}
finally:
  - {id: look, name: Look, uses: prometheus.query, with: {query: sum(up)}}
"""
HEAD = """\
version: 1
interval: 1s
clusters: [a, b, c]
people: {vic: [viewer], cod: [commander]}
alert: {labels: {alertname: Slow, cluster: a}, at: 10s}
input_series:
  - {series: 'up{cluster="a"}', values: 1x7200}
  - {series: 'up{cluster="b"}', values: 1x7200}
mock: {resize: {prior: {in_force: 64}}}
tests:
"""


def write(folder: Path, tests: str, runbook: str = RUNBOOK, head: str = HEAD) -> Path:
    """Write a runbook and its tests; answers the tests' file."""
    (folder / "relief.yaml").write_text(runbook, encoding="utf-8")
    path = folder / "relief.test.yaml"
    path.write_text(head + tests, encoding="utf-8")
    return path


def performed(folder: Path, tests: str, runbook: str = RUNBOOK, head: str = HEAD) -> list[Verdict]:
    """Perform tests that must be right."""
    todo = plan([write(folder, tests, runbook, head)])
    assert todo.problems == ()
    return [verdict for file in todo.files for verdict in run(file, lambda verdict: None)]


def failures(folder: Path, tests: str, runbook: str = RUNBOOK, head: str = HEAD) -> list[tuple[str, ...]]:
    """What was not as expected, by test."""
    return [verdict.failures for verdict in performed(folder, tests, runbook, head)]


def problems(folder: Path, tests: str, head: str = HEAD) -> list[str]:
    """What is wrong with a test file, without its folder."""
    todo = plan([write(folder, tests, head=head)])
    return [str(problem).replace(f"{folder}/", "") for problem in todo.problems]
