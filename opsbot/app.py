"""The composition root: builds every role and runs it until it is told to stop.

Nothing imports this module but the command line. Each role imports its own parts, so that no process holds in memory
what another one runs on.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets as random_secrets
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from opsbot.clock import SystemClock
from opsbot.config import Settings
from opsbot.config_secrets import Secrets
from opsbot.listen import bind, serve
from opsbot.slack_place import SLACK_URL_ENVS, base_url, has_slack, slack_settings
from opsbot.supervisor import RoleProcess, Supervisor
from opsbot.web.tokens import Tokens

logger = logging.getLogger(__name__)

SLACK_API_URL_ENV = SLACK_URL_ENVS[-1]
"""Where Slack's Web API is, when it is not Slack's own: the local workspace."""
REQUEST_PATH = "/slack/events"
PAGE_TOKEN_ENV = "OPSBOT_WORKSPACE_PAGE_TOKEN"  # noqa: S105  (a variable's name)

OWN_CLUSTER = "opsbot"
"""The label `cluster` of the bot's own metrics."""
GARBAGE_THRESHOLD = 100_000
"""Of the watch role: so many new values before the youngest are searched for cycles."""


async def run_up(settings: Settings, secrets: Secrets, config_path: Path) -> None:
    """Supervise core, watch and events, and the local workspace when no Slack tokens are set."""
    environment = dict(os.environ)
    roles = ["core", "watch", "events"]
    if not has_slack(settings, secrets):
        if settings.slack.base_url or environment.get(SLACK_URL_ENVS[0]):
            slack_settings(settings, secrets, None)
        signing_secret = random_secrets.token_hex(16)
        page_token = random_secrets.token_urlsafe(24)
        environment |= {
            settings.slack.bot_token_env: f"xoxb-local-{random_secrets.token_urlsafe(16)}",
            settings.slack.app_token_env: f"xapp-local-{random_secrets.token_urlsafe(16)}",
            settings.slack.signing_secret_env: signing_secret,
            settings.workspace.signing_secret_env: signing_secret,
            SLACK_API_URL_ENV: f"http://127.0.0.1:{settings.workspace.port}/api/",
            PAGE_TOKEN_ENV: page_token,
        }
        roles.insert(0, "workspace")
        # Printed, not logged: its token is for whoever sits here.
        print(
            f"no Slack tokens: the page is http://127.0.0.1:{settings.workspace.port}/?token={page_token}", flush=True
        )
    logs = settings.data_dir / "logs"
    processes = [
        RoleProcess(role, (role, "--config", str(config_path), "--exit-with-parent"), logs / f"{role}.log")
        for role in roles
    ]
    logger.info("starting %s; their logs are in %s", ", ".join(roles), logs)
    await Supervisor(processes, environment).run()


async def run_core(settings: Settings, secrets: Secrets) -> None:
    """The core role, until told to stop."""
    from opsbot.core import Core

    core = Core(settings, secrets, base_url(settings, os.environ), SystemClock())
    await _until_told_to_stop(core.run())


async def run_watch_role(settings: Settings, secrets: Secrets) -> None:
    """The watch role, until told to stop."""
    from opsbot.history.file import Limits
    from opsbot.source.scrape import Target
    from opsbot.source_settings import scraped_clusters, server_addresses
    from opsbot.watch.watcher import WatchSettings, run_watch

    # A round makes a hundred thousand short-lived values that refer to no cycle; looking for cycles among them at
    # Python's own pace costs more than evaluating.
    gc.set_threshold(GARBAGE_THRESHOLD, 5, 2)
    watch = WatchSettings(
        targets=scraped_clusters(settings),
        rule_paths=settings.alert_rules,
        core_url=f"http://{settings.core.host}:{settings.core.port}",
        api_token=secrets.api_token,
        listen_host=settings.watch.host,
        listen_port=settings.watch.port,
        own_targets=[
            Target(f"http://{role.host}:{role.port}/metrics", OWN_CLUSTER, job="opsbot")
            for role in (settings.core, settings.watch, settings.events)
            if role.port
        ],
        targets_files=settings.targets_file,
        targets_urls=settings.targets_url,
        servers=server_addresses(settings, secrets.prometheus_tokens),
        data_dir=settings.data_dir,
        history=Limits(settings.history.max_series, settings.history.max_bytes),
    )
    await _until_told_to_stop(run_watch(watch, SystemClock()))


async def run_events_role(settings: Settings, secrets: Secrets) -> None:
    """The events role, until told to stop."""
    from opsbot.events.role import EventsRole

    listener = bind(settings.events.host, settings.events.port)
    role = EventsRole(settings.data_dir / "events.sqlite", Tokens.of(secrets.api_token, {}), SystemClock())
    try:
        await _until_told_to_stop(serve(role.app, listener), role.run(), role.process.watch_loop())
    finally:
        role.close()


async def run_workspace_role(settings: Settings, port: int | None) -> None:
    """The local workspace, until told to stop; its tokens come from the environment or are made up and printed."""
    from opsbot.workspace import app as workspace
    from opsbot.workspace.app_settings import AppSettings
    from opsbot.workspace.settings import Keeping, WorkspaceSettings

    bot_token = os.environ.get(settings.slack.bot_token_env) or f"xoxb-local-{random_secrets.token_urlsafe(16)}"
    app_token = os.environ.get(settings.slack.app_token_env) or f"xapp-local-{random_secrets.token_urlsafe(16)}"
    page_token = os.environ.get(PAGE_TOKEN_ENV) or random_secrets.token_urlsafe(24)
    secret_env = settings.workspace.signing_secret_env
    signing_secret = os.environ.get(secret_env) or random_secrets.token_hex(16)
    wanted = settings.workspace.port if port is None else port
    request_url = settings.workspace.request_url
    if not request_url and settings.slack.mode == "http":
        request_url = f"http://{settings.slack.listen.host}:{settings.slack.listen.port}{REQUEST_PATH}"

    def ready(page_url: str) -> None:
        print(f"workspace: the page is {page_url}", flush=True)
        if settings.slack.bot_token_env not in os.environ:
            api_url = f"{page_url.split('?')[0]}api/"
            print(
                "workspace: for a bot in another terminal:\n"
                f"  export {SLACK_API_URL_ENV}={api_url} \\\n"
                f"    {settings.slack.bot_token_env}={bot_token} {settings.slack.app_token_env}={app_token}",
                flush=True,
            )
        if request_url and secret_env not in os.environ:
            print(f"workspace: what it POSTs to the bot is signed:\n  export {secret_env}={signing_secret}", flush=True)

    keeping = Keeping(settings.data_dir / "workspace.sqlite", settings.workspace.max_messages)
    chosen = WorkspaceSettings(
        bot_token,
        app_token,
        page_token,
        port=wanted,
        has_rate_limits=settings.workspace.rate_limits,
        keeping=keeping,
        app=AppSettings(request_url=request_url, signing_secret=signing_secret),
    )
    await _until_told_to_stop(workspace.serve(chosen, ready))


async def _until_told_to_stop(*work: Coroutine[Any, Any, None]) -> None:
    """Do the work until SIGTERM or SIGINT; the first failure ends it all and is raised."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    stopping = asyncio.create_task(told.wait())
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (stopping, *tasks):
            task.cancel()
        await asyncio.gather(stopping, *tasks, return_exceptions=True)
