"""Looks at everything between the bot and Slack, one after the other, and says of each whether it works or what to do.

Posts nothing: a file that is announced and never sent is no file. Errors are sentences, never stack traces.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.notify.notifier import DeliveryError
from opsbot.slack.app import SlackSettings, delivery_client, forget_outside_settings
from opsbot.slack.call import answered, error_code, rows
from opsbot.slack.channel import Channel, NoChannel
from opsbot.slack.manifest import MAY_LACK, SCOPES

OPEN_WITHIN_S = 10
CHALLENGE = "opsbot-slack-check"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at."""

    is_good: bool
    what: str
    to_do: str = ""

    @property
    def text(self) -> str:
        """`✓ …`, or `✗ …` and what to do."""
        return f"✓ {self.what}" if self.is_good else f"✗ {self.what}\n  → {self.to_do}"


@dataclass(frozen=True, slots=True)
class CheckedPeople:
    """What opsbot.yaml names of Slack's under `people`."""

    groups: Sequence[str] = ()
    emails: Sequence[str] = ()


async def check_slack(settings: SlackSettings, people: CheckedPeople, url: str = "") -> Sequence[Line]:
    """Every line, in the order in which one sets it up; the first that fails for all ends it."""
    forget_outside_settings(settings)
    client = delivery_client(settings)
    try:
        signed_in = await answered(client.auth_test(), "sign in")
    except DeliveryError as error:
        return [Line(False, str(error), "set the bot token (xoxb-…) of the app that is installed in this workspace")]
    lines = [Line(True, f"signed in as {signed_in.get('user')} in {signed_in.get('team')}")]
    lines += _scopes(signed_in.headers, people)
    lines.append(await (_listening(client, settings) if settings.listen is None else _request_url(settings, url)))
    lines.append(await _incidents(client, settings))
    lines.append(await _safety(client, settings))
    lines += await _people(client, people)
    lines.append(await _uploads(client))
    return lines


def _scopes(headers: Mapping[str, str], people: CheckedPeople) -> Sequence[Line]:
    given = next((value for name, value in headers.items() if name.lower() == "x-oauth-scopes"), None)
    if given is None:
        return [Line(True, "the server does not say which scopes the token has, so none is missing for sure")]
    have = {one.strip() for one in given.split(",")}
    is_needed = bool(people.groups or people.emails)
    missing = [one for one in SCOPES if one.name not in have and (is_needed or one.name not in MAY_LACK)]
    if not missing:
        return [Line(True, f"all {len(SCOPES)} scopes are there")]
    return [
        Line(False, f"the scope {one.name} is missing: {one.without}", "add it to the app, and install it anew")
        for one in missing
    ]


async def _listening(client: AsyncWebClient, settings: SlackSettings) -> Line:
    try:
        opened = await answered(client.apps_connections_open(app_token=settings.app_token), "open Socket Mode")
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=OPEN_WITHIN_S)) as session,
            session.ws_connect(str(opened["url"])) as connection,
        ):
            hello = await connection.receive_json(timeout=OPEN_WITHIN_S)
    except DeliveryError as error:
        return Line(
            False, str(error), "set an app token (xapp-…) with the scope connections:write, and switch Socket Mode on"
        )
    except (aiohttp.ClientError, TimeoutError, TypeError, ValueError) as error:
        return Line(
            False,
            f"the Socket Mode connection was not made ({type(error).__name__})",
            "let this machine open WebSocket connections (wss) to the address that Slack hands out",
        )
    return Line(hello.get("type") == "hello", "Socket Mode opens", "the server greets in a form that is not Slack's")


async def _request_url(settings: SlackSettings, url: str) -> Line:
    host, port = settings.listen or ("", 0)
    asked = url or f"http://{host}:{port}/slack/events"
    body = json.dumps({"type": "url_verification", "token": "", "challenge": CHALLENGE})
    at = str(int(time.time()))
    signed = hmac.new(settings.signing_secret.encode(), f"v0:{at}:{body}".encode(), sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-Slack-Request-Timestamp": at,
        "X-Slack-Signature": f"v0={signed}",
    }
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=OPEN_WITHIN_S)) as session,
            session.post(asked, data=body, headers=headers) as answer,
        ):
            status, text = answer.status, (await answer.content.read(4096)).decode(errors="replace")
    except (aiohttp.ClientError, TimeoutError) as error:
        return Line(
            False,
            f"{asked} does not answer ({type(error).__name__})",
            "start the bot (`opsbot up`), and let the proxy pass /slack/events on to slack.listen",
        )
    if status == 200 and CHALLENGE in text:
        where = "" if url else "; give --url to ask its public address too"
        return Line(True, f"{asked} takes signed requests{where}")
    if status == 401:
        return Line(
            False, f"{asked} refuses our signature", "the running bot has another signing secret, or a clock is off"
        )
    return Line(
        False, f"{asked} answers {status}", "let the proxy pass /slack/events on, with body and headers as they are"
    )


async def _incidents(client: AsyncWebClient, settings: SlackSettings) -> Line:
    channel = Channel(client, settings.channel)
    try:
        found = await _looked_at(client, channel)
    except NoChannel:
        return Line(
            False,
            f"the bot sees no channel {channel.name}",
            "create it, or change slack.channel; if private, invite the bot",
        )
    except DeliveryError as error:
        return Line(False, str(error), f"invite the bot: /invite @opsbot in {channel.name}")
    if found.get("is_archived"):
        return Line(False, f"{channel.name} is archived", "unarchive it, or change slack.channel")
    if not found.get("is_member"):
        if found.get("is_private"):
            return Line(False, f"the bot is no member of {channel.name}", f"/invite @opsbot in {channel.name}")
        return Line(True, f"incidents go to {channel.name}; it is public, and the bot joins it when it first posts")
    return Line(True, f"incidents go to {channel.name}, where the bot is a member")


async def _safety(client: AsyncWebClient, settings: SlackSettings) -> Line:
    if not settings.safety_channel:
        return Line(
            True, "no channel for trust and safety matters: the incidents channel reads one neutral line about each"
        )
    channel = Channel(client, settings.safety_channel, "slack.trust_and_safety_channel")
    invite = f"create {channel.name} as a private channel, and /invite @opsbot there"
    try:
        found = await _looked_at(client, channel)
    except DeliveryError as error:
        return Line(False, str(error), invite)
    if not found.get("is_private"):
        return Line(False, f"{channel.name} is not private, so it is not used", "make it private, or name another one")
    return Line(True, f"trust and safety matters go to {channel.name}, which is private")


async def _looked_at(client: AsyncWebClient, channel: Channel) -> Mapping[str, object]:
    found = await answered(client.conversations_info(channel=await channel.id()), f"look at {channel.name}")
    channel_of: Mapping[str, object] = found.get("channel") or {}
    return channel_of


async def _people(client: AsyncWebClient, people: CheckedPeople) -> Sequence[Line]:
    lines = []
    if people.groups:
        try:
            listed = rows(
                await answered(client.usergroups_list(include_users=True), "read the user groups"), "usergroups"
            )
        except DeliveryError as error:
            return [Line(False, str(error), "add the scope usergroups:read, and install the app anew")]
        sizes = {
            name: len(users) if isinstance(users := one.get("users"), list) else None
            for one in listed
            for name in (f"@{one.get('handle')}", str(one.get("id")))
        }
        for group in people.groups:
            if group not in sizes:
                lines.append(Line(False, f"Slack has no user group {group}", "create it, or change `people`"))
            elif sizes[group] == 0:
                lines.append(Line(False, f"nobody is in the user group {group}", "add its members in Slack"))
            else:
                size = {None: "", 1: " with 1 person"}.get(sizes[group], f" with {sizes[group]} people")
                lines.append(Line(True, f"user group {group}{size}"))
    for email in people.emails:
        try:
            await answered(client.users_lookupByEmail(email=email), "find a person by address")
            lines.append(Line(True, f"{email} is somebody in Slack"))
        except DeliveryError as error:
            lines.append(Line(False, f"{email}: {error}", "use the address of their Slack account"))
    return lines


async def _uploads(client: AsyncWebClient) -> Line:
    try:
        # Announced and not sent: no file comes of it.
        await client.files_getUploadURLExternal(filename="check.png", length=1)
    except SlackApiError as error:
        return Line(False, f"charts cannot be uploaded: {error_code(error)}", "add the scope files:write")
    except (aiohttp.ClientError, TimeoutError) as error:
        return Line(False, f"charts cannot be uploaded ({type(error).__name__})", "look at the connection, try again")
    return Line(True, "charts can be uploaded")
