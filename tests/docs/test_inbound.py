"""docs/inbound.md can be pasted: its settings load, Alertmanager takes its file, its curl call is accepted."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from opsbot.alert.severity import OTHERS_WORDS, SEVERITIES
from opsbot.config import InboundSection, load_settings
from opsbot.config_secrets import load_secrets
from opsbot.inbound import inbound_receivers
from opsbot.web.inbound.datadog import FIRING, PAYLOAD
from opsbot.web.inbound.errors import InboundError
from opsbot.web.inbound.generic import EventWire
from opsbot.web.inbound.receiver import PARSERS
from tests.support.core_server import CoreServer

PAGE = (Path(__file__).parents[2] / "docs/inbound.md").read_text(encoding="utf-8")
KEY = "a-key-of-the-cron-jobs"


def block(name: str) -> str:
    """The example of that name."""
    found = re.search(rf"^```\w+ {re.escape(name)}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/inbound.md has no example {name}"
    return found[1]


def test_the_settings_load(tmp_path: Path) -> None:
    """The example has a receiver of each kind."""
    path = tmp_path / "opsbot.yaml"
    path.write_text(block("opsbot.yaml"), encoding="utf-8")
    assert {receiver.kind for receiver in load_settings(path).inbound} == PARSERS.keys()


@pytest.mark.parametrize("key", InboundSection.model_fields)
def test_every_setting_has_a_row(key: str) -> None:
    """As it is written in the file."""
    assert f"\n| `{key}` |" in PAGE


@pytest.mark.parametrize("field", EventWire.model_fields)
def test_every_field_of_an_event_has_its_place(field: str) -> None:
    """In the table of our own form."""
    table = PAGE.split("## Anything else")[1].split("```")[0]
    assert any(f"`{field}`" in line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))


def test_alertmanager_takes_its_file(tmp_path: Path) -> None:
    """By its own tool."""
    tool = shutil.which("amtool")
    assert tool is not None, "amtool is not installed: run `make setup`, or install Debian's prometheus-alertmanager"
    path = tmp_path / "alertmanager.yml"
    path.write_text(block("alertmanager.yml"), encoding="utf-8")
    done = subprocess.run([tool, "check-config", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_grafanas_file_has_an_address_of_ours() -> None:
    """It is YAML, and its address is that of the receiver in the settings."""
    (point,) = yaml.safe_load(block("grafana-contact-point.yaml"))["contactPoints"]
    assert point["receivers"][0]["settings"]["url"].endswith("/webhooks/grafana")


def test_datadogs_payload_is_the_one_we_read() -> None:
    """Field by field; and every transition that begins an alert is named."""
    assert json.loads(block("datadog")) == PAYLOAD
    table = PAGE.split("| of Datadog | here |")[1].split("##")[0].lower()
    assert all(f"`{name.removeprefix('re-')}`" in table for name in FIRING)


def test_the_severities_are_told() -> None:
    """Every word in the row of what it is to us."""
    table = PAGE.split("## Severity")[1].split("##")[0]
    told = {}
    for ours in SEVERITIES:
        (row,) = re.findall(rf"^\| `{ours}` \| (.*) \|$", table, re.MULTILINE)
        told.update(dict.fromkeys(re.findall(r"`(\w+)`", row), ours))
    assert told == OTHERS_WORDS


@pytest.mark.parametrize("error", InboundError.__subclasses__())
def test_every_answer_is_told(error: type[InboundError]) -> None:
    """With its status and type."""
    assert f"\n| `{error.status}` `{error.kind}` |" in PAGE


@pytest.mark.integration
async def test_the_curl_call_is_accepted(tmp_path: Path) -> None:
    """As it stands on the page, with its signature: the first time accepted, the second a duplicate."""
    path = tmp_path / "opsbot.yaml"
    path.write_text(block("opsbot.yaml"), encoding="utf-8")
    settings = load_settings(path)
    names = {name for receiver in settings.inbound for name in (*receiver.token_env, *receiver.signature_env)}
    environment = dict.fromkeys(names, KEY) | {"OPSBOT_API_TOKEN": "a", "SERVING_CONTROL_TOKEN": "b"}
    receivers = inbound_receivers(settings, load_secrets(settings, environment))
    answers = []
    async with CoreServer(tmp_path, receivers) as core:
        for _ in range(2):
            process = await asyncio.create_subprocess_exec(
                *("bash", "-euo", "pipefail", "-c", block("generic")),
                env={**os.environ, "OPSBOT_URL": core.url, "OPSBOT_CRON_KEY": KEY, "no_proxy": "127.0.0.1"},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await asyncio.wait_for(process.communicate(), 20)
            assert process.returncode == 0, out + err
            answers.append(json.loads(out))
        assert core.incidents() == [("The backup of db-1 failed", "open")]
    assert [(answer["accepted"], answer["duplicates"]) for answer in answers] == [(1, 0), (0, 1)]
