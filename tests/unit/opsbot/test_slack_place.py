"""Which Slack: opsbot.yaml, the environment before it, and what would send tokens in the open."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from opsbot.config import Settings, load_settings
from opsbot.config_secrets import load_secrets
from opsbot.errors import ConfigError
from opsbot.slack_place import base_url, has_slack, slack_settings

ENVIRON = {"OPSBOT_API_TOKEN": "t" * 20, "SERVING_CONTROL_TOKEN": "c"}
TOKENS = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "SLACK_SIGNING_SECRET": "s1"}


def settings_of(folder: Path, slack: str = "{}") -> Settings:
    """A file whose `slack` is that."""
    path = folder / "opsbot.yaml"
    path.write_text(
        f"version: 1\nserving: [{{cluster: local, url: 'http://127.0.0.1:8000'}}]\nslack: {slack}\n", encoding="utf-8"
    )
    return load_settings(path)


@pytest.mark.parametrize(
    ("slack", "environ", "url"),
    [
        ("{}", {}, None),
        ("{base_url: 'https://chat.example/api/'}", {}, "https://chat.example/api/"),
        ("{base_url: 'https://chat.example/api'}", {}, "https://chat.example/api/"),
        ("{base_url: 'https://chat.example'}", {}, "https://chat.example/api/"),
        ("{base_url: 'http://127.0.0.1:8065/api/'}", {}, "http://127.0.0.1:8065/api/"),
        ("{base_url: 'http://chat:8065/api/', insecure: true}", {}, "http://chat:8065/api/"),
        ("{base_url: 'https://chat.example/api/'}", {"OPSBOT_SLACK_URL": "https://other.example/api/"}, "https://other.example/api/"),
        ("{}", {"SLACK_API_URL": "http://127.0.0.1:1/api/"}, "http://127.0.0.1:1/api/"),
        ("{}", {"SLACK_API_URL": "http://127.0.0.1:1/api/", "OPSBOT_SLACK_URL": "https://o.example/x/"}, "https://o.example/x/"),
    ],
)  # fmt: skip
def test_the_base_url_is_the_environments_then_the_files(
    tmp_path: Path, slack: str, environ: Mapping[str, str], url: str | None
) -> None:
    """With its last slash; a bare address gets `/api/`, where Slack has it."""
    assert base_url(settings_of(tmp_path, slack), environ) == url


@pytest.mark.parametrize(
    ("url", "said"), [("http://chat.example/api/", "unencrypted"), ("ftp://x", "is no address"), ("nonsense", "is no")]
)
def test_a_bad_base_url_is_refused(tmp_path: Path, url: str, said: str) -> None:
    """By the variable's name, so that whoever reads it knows where to look."""
    with pytest.raises(ConfigError, match=f"OPSBOT_SLACK_URL.*{said}"):
        base_url(settings_of(tmp_path), {"OPSBOT_SLACK_URL": url})


def test_each_mode_needs_its_own_secrets(tmp_path: Path) -> None:
    """Socket Mode an app token, HTTP mode a signing secret; what is missing is named."""
    for slack, needed in (("{}", "SLACK_APP_TOKEN"), ("{mode: http}", "SLACK_SIGNING_SECRET")):
        settings = settings_of(tmp_path, slack)
        whole = load_secrets(settings, {**ENVIRON, **TOKENS})
        assert has_slack(settings, whole)
        without = load_secrets(
            settings, {**ENVIRON, **{name: value for name, value in TOKENS.items() if name != needed}}
        )
        assert not has_slack(settings, without)
        with pytest.raises(ConfigError, match=f"SLACK_BOT_TOKEN and {needed}"):
            slack_settings(settings, without, None)


def test_http_mode_listens_on_loopback_by_default(tmp_path: Path) -> None:
    """And Socket Mode listens nowhere, nor keeps the secret."""
    http, socket = settings_of(tmp_path, "{mode: http}"), settings_of(tmp_path)
    secrets = load_secrets(http, {**ENVIRON, **TOKENS})
    found = slack_settings(http, secrets, None)
    assert (found.listen, found.signing_secret) == (("127.0.0.1", 8073), "s1")
    assert slack_settings(socket, secrets, None).listen is None
    assert slack_settings(socket, secrets, None).signing_secret == ""
    assert "s1" not in repr(found)
    assert found.place == (
        "https://slack.com/api/ by requests to 127.0.0.1:8073; "
        "incidents in incidents, trust and safety matters in no channel"
    )
