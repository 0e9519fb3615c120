"""The server's OpenAPI document, against the server: generated requests of every kind find no answer outside it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving_stub.api.openapi import document
from serving_stub.config import FEED_TOKEN_ENV
from tests.support.serving_server import CONTROL, CONTROL_TOKEN, ServingServer, serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)
"""Not among them: that whatever fits the document is accepted. What a knob allows, or the window, is not in it."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """The tiny model with a small window, so that no answer takes long; one token opens everything."""
    journal = tmp_path_factory.mktemp("openapi") / "leases.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FEED_TOKEN_ENV, CONTROL_TOKEN)
        with serving(journal, "--max-model-len", "128") as started:
            yield started


def test_no_answer_is_outside_the_document(server: ServingServer, tmp_path: Path) -> None:
    """No 5xx, no undocumented status, media type or body; what breaks the document is refused."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"]
    options = {"checks": ",".join(CHECKS), "header": f"Authorization: Bearer {CONTROL_TOKEN}", "max-examples": "15"}
    done = subprocess.run(
        [*command, *(part for name, value in options.items() for part in (f"--{name}", value)), "--seed", "1"],
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.support.openapi_hooks", "NO_COLOR": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert f"Tested: {sum(map(len, document()['paths'].values()))}" in done.stdout
    assert httpx.get(f"{server.url}/health", trust_env=False).status_code == 200


def test_every_route_is_in_the_document(server: ServingServer) -> None:
    """What the document names, the server routes: nothing is answered with 404 path_not_found or 405."""
    for path, operations in document()["paths"].items():
        for method in operations:
            url = server.url + path.format(model="none", lease_id="none", command_id="none", knob="none")
            answer = httpx.request(method.upper(), url, headers=CONTROL, trust_env=False)
            if answer.headers.get("content-type") == "application/json":
                assert answer.json().get("error", {}).get("code") not in {"path_not_found", "method_not_allowed"}
