"""Builds what speaks to Slack: the two Web API clients and the Bolt app, and checks the tokens before they are used.

The client for deliveries never repeats a call by itself, because a repeated post is a second message; the one for
answers waits out rate limits.
"""

from __future__ import annotations

import logging
import os
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from slack_bolt.async_app import AsyncApp
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.clock import Clock, SystemClock
from opsbot.notify.budget import Budget
from opsbot.slack.call import answered
from opsbot.slack.paced import PacedClient
from opsbot.slack.tiers import PER_MINUTE

SLACK_API_URL = "https://slack.com/api/"
TIMEOUT_S = 10
PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
OAUTH_VARIABLES = ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """Where Slack is and who we are there; its `repr` shows no token.

    Args:
        bot_token: `xoxb-…`.
        app_token: `xapp-…`, for Socket Mode.
        base_url: of the Web API when it is not Slack's own, such as `http://127.0.0.1:8065/api/`.
        channel: name or id of the channel where incidents are posted.
        safety_channel: the same of the private one for trust and safety matters; empty for none.
        signing_secret: of the app, in HTTP mode.
        listen: HTTP mode: the address where requests are taken; None for Socket Mode.
    """

    bot_token: str = field(repr=False)
    app_token: str = field(repr=False)
    base_url: str | None
    channel: str
    safety_channel: str = ""
    signing_secret: str = field(default="", repr=False)
    listen: tuple[str, int] | None = None

    @property
    def place(self) -> str:
        """In one line, for the log: where, how, and which channels."""
        how = "Socket Mode" if self.listen is None else f"requests to {self.listen[0]}:{self.listen[1]}"
        channels = f"incidents in {self.channel}, trust and safety matters in {self.safety_channel or 'no channel'}"
        return f"{self.base_url or SLACK_API_URL} by {how}; {channels}"

    @property
    def is_local(self) -> bool:
        """Whether Slack is a workspace on this machine."""
        return self.base_url is not None and urlsplit(self.base_url).hostname in LOOPBACK


def forget_outside_settings(settings: SlackSettings, environ: MutableMapping[str, str] | None = None) -> None:
    """With a local workspace, remove what would lead the libraries elsewhere from this process's environment.

    Slack's library sends even loopback calls through a proxy that is set and ignores NO_PROXY, and Bolt turns to
    OAuth when a client id is set.
    """
    if settings.is_local:
        env = os.environ if environ is None else environ
        for name in (*PROXY_VARIABLES, *OAUTH_VARIABLES):
            env.pop(name, None)


def delivery_client(
    settings: SlackSettings, budget: Budget | None = None, clock: Clock | None = None
) -> AsyncWebClient:
    """A client that makes each call exactly once; *budget* is what all clients of the workspace share."""
    return PacedClient(
        settings.bot_token,
        budget=budget or Budget(PER_MINUTE),
        clock=clock or SystemClock(),
        base_url=settings.base_url or SLACK_API_URL,
        timeout=TIMEOUT_S,
        retry_handlers=[],
    )


def answer_client(settings: SlackSettings, budget: Budget | None = None, clock: Clock | None = None) -> AsyncWebClient:
    """A client for short answers to people: waits out rate limits and broken connections."""
    return PacedClient(
        settings.bot_token,
        budget=budget or Budget(PER_MINUTE),
        clock=clock or SystemClock(),
        base_url=settings.base_url or SLACK_API_URL,
        timeout=TIMEOUT_S,
        retry_handlers=[AsyncConnectionErrorRetryHandler(), AsyncRateLimitErrorRetryHandler(max_retry_count=3)],
    )


def build_app(client: AsyncWebClient) -> AsyncApp:
    """An app without listeners; to be called inside the running event loop.

    Signatures are checked by whoever takes requests (`opsbot.slack.request_url`), before anything is parsed.
    """
    # Bolt warns that the environment's token is not used when a client is given; that is what we want.
    framework = logging.getLogger("opsbot.slack.bolt")
    framework.setLevel(logging.ERROR)
    return AsyncApp(client=client, logger=framework, request_verification_enabled=False)


async def sign_in(client: AsyncWebClient) -> str:
    """Ask Slack whether the bot token is good; answers who we are, such as `opsbot in Example`.

    Raises: DeliveryError that says that it is not, or that Slack does not answer.
    """
    me = await answered(client.auth_test(), "sign in with the bot token")
    return f"{me.get('user')} in {me.get('team')}"


async def check_tokens(client: AsyncWebClient, app_token: str) -> None:
    """Ask Slack whether both tokens are good.

    Raises: DeliveryError that says which one is not, or that Slack does not answer.
    """
    await sign_in(client)
    await answered(client.apps_connections_open(app_token=app_token), "open Socket Mode with the app token")
