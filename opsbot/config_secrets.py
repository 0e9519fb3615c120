"""The secrets that the settings name, collected from the environment; what is missing is said all at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from opsbot.config import Settings
from opsbot.errors import ConfigError
from opsbot.heartbeat.section import is_http_url

MIN_TOKEN_CHARS = 16
"""Of tokens that a machine shows and nobody has to type."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What came from the environment; its `repr` shows no value."""

    api_token: str
    control_tokens: Mapping[str, str]
    personal_tokens: Mapping[str, str]
    slack_bot_token: str | None
    slack_app_token: str | None
    slack_signing_secret: str | None = None
    fleet_token: str = ""
    prometheus_tokens: Mapping[str, str] = field(default_factory=dict)
    """By the server's name."""
    inbound: Mapping[str, str] = field(default_factory=dict)
    """Tokens and keys of receivers, by variable."""
    paging: Mapping[str, str] = field(default_factory=dict)
    """Keys of pagers, by variable."""
    heartbeat_url: str | None = None

    def __repr__(self) -> str:
        return "Secrets(…)"


def load_secrets(settings: Settings, environ: Mapping[str, str] | None = None) -> Secrets:
    """Collect the secrets that *settings* names.

    Raises: ConfigError naming every variable that is needed and not set.
    """
    env = os.environ if environ is None else environ
    missing: list[str] = []

    def need(name: str, purpose: str) -> str:
        value = env.get(name, "")
        if not value:
            missing.append(f"environment variable {name} is not set: {purpose}")
        return value

    api_token = need(settings.api_token_env, "the token between opsbot's roles (any long random text)")
    control = {
        target.cluster: need(target.control_token_env, f"the control token of cluster {target.cluster}")
        for target in settings.serving
    }
    fleet_token = "" if settings.fleet is None else need(settings.fleet.control_token_env, "the fleet's control token")
    for server in settings.prometheus:
        if server.token_env:
            need(server.token_env, f"the token of the Prometheus {server.name}")
    personal: dict[str, str] = {}
    for person in settings.people:
        if person.user and person.token_env and env.get(person.token_env):
            personal[env[person.token_env]] = person.user
    inbound: dict[str, str] = {}
    for receiver in settings.inbound:
        for name in (*receiver.token_env, *receiver.signature_env):
            inbound[name] = need(name, f"a token or key of the receiver {receiver.name}; or take it out of `inbound`")
            if 0 < len(inbound[name]) < MIN_TOKEN_CHARS:
                missing.append(
                    f"environment variable {name} is too short: at least {MIN_TOKEN_CHARS} random characters"
                )
    paging: dict[str, str] = {}
    if (pager := settings.paging.pagerduty) is not None:
        for name in (pager.routing_key_env, *pager.webhook_secret_env):
            paging[name] = need(name, "a key of PagerDuty; or take `pagerduty` out of `paging`")
    heartbeat_url = None
    if settings.heartbeat is not None:
        heartbeat_url = need(settings.heartbeat.url_env, "the URL of the heartbeat; or take `heartbeat` out")
        if heartbeat_url and not is_http_url(heartbeat_url):
            missing.append(f"environment variable {settings.heartbeat.url_env} holds no http:// or https:// address")
    if missing:
        raise ConfigError("secrets are missing", tuple(missing))
    return Secrets(
        api_token=api_token,
        control_tokens=control,
        fleet_token=fleet_token,
        personal_tokens=personal,
        slack_bot_token=env.get(settings.slack.bot_token_env) or None,
        slack_app_token=env.get(settings.slack.app_token_env) or None,
        slack_signing_secret=env.get(settings.slack.signing_secret_env) or None,
        prometheus_tokens=prometheus_tokens(settings, env),
        inbound=inbound,
        paging=paging,
        heartbeat_url=heartbeat_url,
    )


def prometheus_tokens(settings: Settings, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The bearer tokens that are set, by the server's name."""
    named = {server.name: environ.get(server.token_env, "") for server in settings.prometheus if server.token_env}
    return {name: token for name, token in named.items() if token}
