"""Every example of docs/serving.md, in its order, against a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.serving_server import ServingServer, serving

pytestmark = pytest.mark.integration

PAGE = (Path(__file__).parents[2] / "docs/serving.md").read_text(encoding="utf-8")
BLOCK = r"```json\n(?P<{}>.*?)\n```\n"
EXAMPLE = re.compile(
    r"^`(?P<method>GET|POST|DELETE) (?P<path>/\S+)`(?: with `If-Match: (?P<if_match>[^`]+)`)?\n"
    + f"(?:{BLOCK.format('body')})?"
    + r"\n?→ `(?P<status>\d+)`\n"
    + BLOCK.format("answer"),
    re.MULTILINE | re.DOTALL,
)
TIMES = {"at", "created", "created_at", "expires_at", "ended_at"}


@dataclass(frozen=True, slots=True)
class Example:
    """One exchange."""

    method: str
    path: str
    body: str | None
    headers: dict[str, str]
    status: int
    answer: Any


EXAMPLES = [
    Example(
        found["method"],
        found["path"],
        found["body"],
        {"If-Match": found["if_match"]} if found["if_match"] else {},
        int(found["status"]),
        json.loads(found["answer"]),
    )
    for found in EXAMPLE.finditer(PAGE)
]


def assert_fits(actual: Any, expected: Any, at: str = "$", name: str = "") -> None:
    """Equal, but for `…` in strings and for times, which need only be numbers."""
    if isinstance(expected, dict):
        assert isinstance(actual, dict), at
        assert set(actual) == set(expected), at
        for key, value in expected.items():
            assert_fits(actual[key], value, f"{at}.{key}", key)
    elif isinstance(expected, list):
        assert isinstance(actual, list), at
        assert len(actual) == len(expected), at
        for index, value in enumerate(expected):
            assert_fits(actual[index], value, f"{at}[{index}]")
    elif expected == "…":
        assert actual is not None, at
    elif isinstance(expected, str) and "…" in expected:
        assert re.fullmatch(".*".join(map(re.escape, expected.split("…"))), actual, re.DOTALL), (at, actual)
    elif name in TIMES and expected is not None:
        assert isinstance(actual, int | float), at
    else:
        assert (type(actual), actual) == (type(expected), expected), at


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """The server that the page describes."""
    journal = tmp_path_factory.mktemp("contract") / "leases.jsonl"
    with serving(journal, "--max-num-seqs", "32", "--max-model-len", "2048") as running:
        yield running


def test_the_page_has_only_examples_that_run() -> None:
    """No JSON block of the page stands outside an example, and both APIs have some."""
    in_examples = sum(1 + (example.body is not None) for example in EXAMPLES)
    assert PAGE.count("```json\n") == in_examples
    assert sum(example.path.startswith("/control/") for example in EXAMPLES) >= 8
    assert sum(example.path.startswith("/v1/") for example in EXAMPLES) >= 4


def test_every_example_is_true(server: ServingServer) -> None:
    """Sent in order, each example gets the status and the answer that the page shows."""
    ids = {"lease_id": "", "command_id": ""}
    with server.client() as client:
        for example in EXAMPLES:
            answer = client.request(
                example.method, example.path.format(**ids), content=example.body, headers=example.headers
            )
            assert answer.status_code == example.status, (example, answer.text)
            assert answer.headers["content-type"] == "application/json"
            assert_fits(answer.json(), example.answer, f"{example.method} {example.path}")
            ids |= {name: answer.json()[name] for name in ids if name in answer.json()}


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}], ids=["none", "wrong"])
@pytest.mark.parametrize(
    "example",
    [example for example in EXAMPLES if example.path.startswith("/control/")],
    ids=lambda example: f"{example.method} {example.path}",
)
def test_control_examples_need_the_token(server: ServingServer, example: Example, header: dict[str, str]) -> None:
    """Without the token, or with another, each control example is refused."""
    answer = httpx.request(
        example.method, server.url + example.path, content=example.body, headers=header, trust_env=False
    )
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_token"


@pytest.mark.parametrize("path", ["/health", "/metrics", "/version"])
def test_observers_need_no_token(server: ServingServer, path: str) -> None:
    """Health, metrics and version answer anybody."""
    assert httpx.get(server.url + path, trust_env=False).status_code == 200


def test_a_server_without_a_token_refuses_control(tmp_path: Path) -> None:
    """Nobody can change what nobody protects, not even with an empty token."""
    with serving(tmp_path / "leases.jsonl", token=None) as running:
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer None"}):
            answer = httpx.get(f"{running.url}/control/v1/knobs", headers=headers, trust_env=False)
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == "control_disabled"
