"""Which Slack the bot talks to and how: from opsbot.yaml, the secrets and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opsbot.config import Settings
from opsbot.config_form import http_url, is_loopback
from opsbot.config_secrets import Secrets
from opsbot.errors import ConfigError

if TYPE_CHECKING:
    from opsbot.slack.app import SlackSettings

SLACK_URL_ENVS = ("OPSBOT_SLACK_URL", "SLACK_API_URL")
"""Base URL of the Web API, before what opsbot.yaml says; the first that is set."""


def has_slack(settings: Settings, secrets: Secrets) -> bool:
    """Whether every secret of a Slack is set, so that the local workspace is not wanted."""
    has_ears = secrets.slack_signing_secret if settings.slack.mode == "http" else secrets.slack_app_token
    return bool(secrets.slack_bot_token and has_ears)


def base_url(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """Base URL of the Web API, with its last slash; None for Slack's own.

    Raises: ConfigError for what is no address, or would send tokens in the open.
    """
    named = next(((name, environ[name]) for name in SLACK_URL_ENVS if environ.get(name)), None)
    name, url = named or ("slack.base_url", settings.slack.base_url)
    if url is None:
        return None
    try:
        http_url(url)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from error
    if url.startswith("http:") and not is_loopback(url) and not settings.slack.insecure:
        raise ConfigError(f"{name}: {url} would send tokens unencrypted; use https, or say slack.insecure: true")
    path = urlsplit(url).path.strip("/")
    return f"{url.rstrip('/')}/" if path else f"{url.rstrip('/')}/api/"


def slack_settings(settings: Settings, secrets: Secrets, url: str | None) -> SlackSettings:
    """What the Slack side needs.

    Raises: ConfigError that names what is not set.
    """
    # Only core holds Slack's library in memory.
    from opsbot.slack.app import SlackSettings

    section = settings.slack
    if not has_slack(settings, secrets):
        ears = section.signing_secret_env if section.mode == "http" else section.app_token_env
        raise ConfigError(
            f"core needs {section.bot_token_env} and {ears}; "
            "`opsbot up` starts the local workspace when they are not set"
        )
    is_http = section.mode == "http"
    return SlackSettings(
        secrets.slack_bot_token or "",
        secrets.slack_app_token or "",
        url,
        section.channel,
        section.trust_and_safety_channel,
        secrets.slack_signing_secret or "" if is_http else "",
        (section.listen.host, section.listen.port) if is_http else None,
    )
