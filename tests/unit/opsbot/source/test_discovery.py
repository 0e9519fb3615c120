"""Lists of targets: what they may say, and what becomes of bad ones."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from opsbot.source import discovery
from opsbot.source.discovery import TargetsFile, TargetsUrl
from tests.support.watching import StepClock

YAML = """\
- targets: ["10.0.0.1:8000", "[::1]:8001"]
  labels: {cluster: eu-1, region: eu}
- targets: [fleet.example]
  labels: {cluster: us-1, __metrics_path__: /clusters/us-1/metrics, __scheme__: https, __meta_x: y, empty: ""}
"""


def found(targets: TargetsFile | TargetsUrl) -> list[tuple[str, str, dict[str, str]]]:
    """Address, cluster and added labels of each."""
    return [(target.url, target.cluster, dict(target.added)) for target in targets.targets]


GOOD = [
    ("http://10.0.0.1:8000/metrics", "eu-1", {"region": "eu"}),
    ("http://[::1]:8001/metrics", "eu-1", {"region": "eu"}),
    ("https://fleet.example/clusters/us-1/metrics", "us-1", {}),
]


async def test_yaml_and_json_are_read(tmp_path: Path) -> None:
    """In Prometheus's form, with its labels for the scraper."""
    path = tmp_path / "targets.yaml"
    path.write_text(YAML)
    one = TargetsFile(path, StepClock())
    await one.refresh()
    assert found(one) == GOOD
    assert one.targets[2].labels == {"cluster": "us-1", "instance": "fleet.example:443", "job": "serving"}
    path = tmp_path / "targets.json"
    path.write_text(json.dumps([{"targets": ["a:1"], "labels": {"cluster": "x", "instance": "one"}}]))
    other = TargetsFile(path, StepClock())
    await other.refresh()
    assert other.targets[0].labels == {"cluster": "x", "instance": "one", "job": "serving"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- targets: [", "targets.yaml:2:1: not valid YAML"),
        ("targets: [a:1]", "the whole: input should be a valid list"),
        ("- targets: a:1", "0.targets: input should be a valid list"),
        ("- {targets: ['a:1']}", "group 1: a:1 has no label 'cluster'"),
        ("- {targets: ['http://a:1/metrics'], labels: {cluster: x}}", "group 1: 'http://a:1/metrics' is no target"),
        ("- {targets: ['user:pass@a:1'], labels: {cluster: x}}", "is no target; host:port is wanted"),
        ("- {targets: ['a:1'], labels: {cluster: x, 'a-b': y}}", "'a-b' is no label name"),
        ("- {targets: ['a:1'], labels: {cluster: x, __scheme__: file}}", "__scheme__ is 'file'; http or https"),
        ("- {targets: ['a:1'], labels: {cluster: x, __metrics_path__: m}}", "it begins with a slash"),
        ("- {targets: ['a:1'], labels: {cluster: x, __param_module: y}}", "'__param_module' is not supported"),
        ("- {targets: ['a:1'], labels: {cluster: 5}}", "labels.cluster: input should be a valid string"),
    ],
)
async def test_a_bad_file_keeps_the_last_good_one(
    text: str, message: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, with its place, and again that it is good."""
    path = tmp_path / "targets.yaml"
    path.write_text(YAML)
    clock = StepClock()
    one = TargetsFile(path, clock)
    await one.refresh()
    path.write_text(text + "\n")
    for _ in range(3):
        await one.refresh()
    assert found(one) == GOOD
    assert message in one.health.last_error
    assert one.health.failing_since == clock.now()
    assert caplog.text.count("targets not taken, the last 3 stay in force") == 1
    path.write_text(YAML + "\n")
    await one.refresh()
    assert one.health.word == "up"
    assert one.health.last_error == ""


async def test_a_file_that_is_gone_keeps_its_targets(tmp_path: Path) -> None:
    """Also one that is not there yet; it is taken when it comes."""
    path = tmp_path / "targets.yaml"
    one = TargetsFile(path, StepClock())
    await one.refresh()
    assert "cannot be read: No such file" in one.health.last_error
    path.write_text(YAML)
    await one.refresh()
    path.unlink()
    await one.refresh()
    assert len(one.targets) == 3
    assert one.health.word == "down"


async def test_a_list_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In targets and in bytes; the limits are lowered here."""
    path = tmp_path / "targets.yaml"
    path.write_text(YAML)
    monkeypatch.setattr(discovery, "MAX_TARGETS", 2)
    one = TargetsFile(path, StepClock())
    await one.refresh()
    assert "3 targets are more than 2" in one.health.last_error
    monkeypatch.setattr(discovery, "MAX_FILE_BYTES", 10)
    other = TargetsFile(path, StepClock())
    await other.refresh()
    assert "the file is larger than 10 bytes" in other.health.last_error
    assert other.targets == ()


async def test_an_address_is_asked_again_and_again() -> None:
    """Its last good answer stays while it fails, whatever it sends."""
    answers = [
        Response(json.dumps([{"targets": ["a:1"], "labels": {"cluster": "x"}}])),
        Response("<html>", media_type="text/html"),
        Response("", 503),
        Response("[]"),
    ]

    async def give(request: Request) -> Response:
        return answers.pop(0)

    app = Starlette(routes=[Route("/targets", give)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        one = TargetsUrl("http://sd/targets", http, StepClock())
        seen = []
        for _ in range(4):
            await one.refresh()
            seen.append((len(one.targets), one.health.last_error))
    assert seen == [
        (1, ""),
        (1, "http://sd/targets:1:1: not JSON: Expecting value"),
        (1, "503 in answer to GET http://sd/targets"),
        (0, ""),
    ]
