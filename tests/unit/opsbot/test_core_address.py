"""Where core is, read without the settings' schema."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from opsbot.config import load_settings
from opsbot.core_address import CoreAddress, core_address
from opsbot.errors import ConfigError

LEAST = "version: 1\nserving: [{cluster: a, url: http://127.0.0.1:1}]\nrunbooks: []\nalert_rules: []\n"
WHOLE = (
    LEAST
    + "core: {host: 127.0.0.2, port: 9}\napi_token_env: OTHER\n"
    + "people: [{user: U1, roles: [viewer]}, {user: 'cli:a', roles: [responder], token_env: MINE}]\n"
)


@pytest.mark.parametrize("text", [LEAST, WHOLE])
def test_it_says_what_the_whole_settings_say(tmp_path: Path, text: str) -> None:
    """Defaults too."""
    path = tmp_path / "opsbot.yaml"
    path.write_text(text, encoding="utf-8")
    settings = load_settings(path)
    personal = tuple(person.token_env for person in settings.people if person.token_env)
    assert core_address(path) == CoreAddress(
        settings.core.host, settings.core.port, settings.api_token_env, personal
    )  # fmt: skip


@pytest.mark.parametrize("text", [LEAST + "core: {port: many}\n", LEAST + "core: [1]\n", "version: [1\n", "- 1\n"])
def test_what_is_wrong_is_said_as_always(tmp_path: Path, text: str) -> None:
    """By the schema, with file and line."""
    path = tmp_path / "opsbot.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"opsbot\.yaml:\d+:\d+: "):
        core_address(path)


def test_a_command_about_runs_imports_nothing_heavy() -> None:
    """It must answer while somebody waits: no settings' schema, no numbers, no database."""
    code = (
        "import sys, opsbot.run_command, opsbot.run_control_command, opsbot.halt_command, opsbot.client, "
        "opsbot.core_address\n"
        "print([name for name in ('pydantic', 'numpy', 'sqlalchemy', 'slack_sdk', 'dbos', 'opsbot.config') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
