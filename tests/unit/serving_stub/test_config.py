"""Settings from flags and environment."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from serving_stub.__main__ import main
from serving_stub.config import ServerSettings, settings_from
from serving_stub.errors import SettingError


def test_unset_flags_take_their_defaults() -> None:
    """A server without flags listens on loopback only."""
    settings = settings_from({"host": None, "port": None}, {})
    assert (settings.host, settings.port, settings.model, settings.max_num_seqs) == ("127.0.0.1", 8000, "smollm2", 32)


@pytest.mark.parametrize("environment", [{}, {"SERVING_CONTROL_TOKEN": ""}], ids=["unset", "empty"])
def test_an_empty_token_is_no_token(environment: dict[str, str]) -> None:
    """An empty variable does not open the control API to an empty token."""
    assert settings_from({}, environment).control_token is None


def test_the_token_is_not_shown() -> None:
    """Printing settings does not print the secret."""
    assert "hunter2" not in repr(settings_from({}, {"SERVING_CONTROL_TOKEN": "hunter2"}))


def test_every_wrong_flag_is_named() -> None:
    """All problems are told at once, each with its flag and value."""
    with pytest.raises(SettingError) as refused:
        settings_from({"port": 70000, "max_num_seqs": 0}, {"SERVING_CONTROL_TOKEN": "hunter2"})
    assert "--port: Input should be less than or equal to 65535, got 70000" in str(refused.value)
    assert "--max-num-seqs: Input should be greater than or equal to 1, got 0" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_each_port_has_its_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two servers on one machine do not share a journal unless they are told to."""
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert ServerSettings().journal_path(8001) == Path("/state/serving_stub/leases-8001.jsonl")
    assert ServerSettings(journal=Path("here.jsonl")).journal_path(8001) == Path("here.jsonl")


@pytest.mark.parametrize("parameter", [one for one in main.params if one.name != "help"], ids=lambda one: one.name)
def test_every_flag_is_documented(parameter: click.Parameter) -> None:
    """docs/serving.md has a row for each flag of the server."""
    page = (Path(__file__).parents[3] / "docs/serving.md").read_text(encoding="utf-8")
    flags = ", ".join(f"`{flag}`" for flag in (*parameter.opts, *parameter.secondary_opts))
    assert f"\n| {flags} |" in page


SECRETS = {"control_token", "feed_token", "upstream_key"}


def test_every_flag_is_a_setting() -> None:
    """Flags and settings are the same list, but for the secrets."""
    assert {one.name for one in main.params} == set(ServerSettings.model_fields) - SECRETS
