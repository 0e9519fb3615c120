"""Settings and secrets: what is wrong is said with its place and what to do, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.config import load_secrets, load_settings
from opsbot.errors import ConfigError

GOOD = """\
version: 1
serving:
  - {cluster: eu-1, url: "http://127.0.0.1:8000", control_token_env: EU_TOKEN}
people:
  - {user: U1, roles: [responder]}
  - {user: "cli:ann", roles: [commander], token_env: ANN_TOKEN}
"""


def write(folder: Path, text: str) -> Path:
    """A settings file."""
    path = folder / "opsbot.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_fill_what_is_left_out(tmp_path: Path) -> None:
    """Only the version and one cluster are needed."""
    settings = load_settings(write(tmp_path, GOOD))
    assert settings.serving[0].control_token_env == "EU_TOKEN"
    assert (settings.core.host, settings.core.port) == ("127.0.0.1", 8070)
    assert settings.runs.max_hold == 4 * 3600


def test_every_problem_is_told_with_its_place(tmp_path: Path) -> None:
    """An unknown key with a suggestion, a wrong type and an unknown role, in one go."""
    path = write(tmp_path, GOOD + "slak: {channel: x}\ncore: {port: many}\n")
    path.write_text(path.read_text().replace("[responder]", "[responsible]"))
    with pytest.raises(ConfigError) as error:
        load_settings(path)
    told = "\n".join(error.value.problems)
    assert f"{path}:7:1: " in told
    assert "did you mean 'slack'?" in told
    assert f"{path}:8:14: " in told
    assert "responsible" in told
    assert len(error.value.problems) == 3


def test_without_a_file_it_says_what_to_do(tmp_path: Path) -> None:
    """No file: the message names --config."""
    with pytest.raises(ConfigError, match="no such file; name one with --config"):
        load_settings(tmp_path / "nothing.yaml")


def test_missing_secrets_are_named_all_at_once(tmp_path: Path) -> None:
    """Each variable that is not set, and what it is for."""
    settings = load_settings(write(tmp_path, GOOD))
    with pytest.raises(ConfigError) as error:
        load_secrets(settings, {})
    assert [problem.split()[2] for problem in error.value.problems] == ["OPSBOT_API_TOKEN", "EU_TOKEN"]
    assert "the control token of cluster eu-1" in str(error.value)


def test_secrets_never_show_in_a_repr(tmp_path: Path) -> None:
    """Whoever logs the object logs no token; an unset personal token is simply absent."""
    settings = load_settings(write(tmp_path, GOOD))
    secrets = load_secrets(settings, {"OPSBOT_API_TOKEN": "s3cret", "EU_TOKEN": "t0ken"})
    assert "s3cret" not in repr(secrets)
    assert "t0ken" not in repr(secrets)
    assert secrets.personal_tokens == {}
    assert secrets.slack_bot_token is None
