"""The composition root: builds every object of each role once, and starts and stops them in order.

Nothing imports this module but the command line.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets as random_secrets
import signal
from collections.abc import Mapping
from pathlib import Path

from opsbot.config import Secrets, Settings
from opsbot.people import Role
from opsbot.supervisor import RoleProcess, Supervisor

logger = logging.getLogger(__name__)

SLACK_API_URL_ENV = "SLACK_API_URL"
"""Where Slack's Web API is, when it is not Slack's own: the local workspace."""
PAGE_TOKEN_ENV = "OPSBOT_WORKSPACE_PAGE_TOKEN"  # noqa: S105  (a variable's name)
LOCAL_BOT_TOKEN_ENV = "SLACK_BOT_TOKEN"  # noqa: S105
LOCAL_APP_TOKEN_ENV = "SLACK_APP_TOKEN"  # noqa: S105


async def run_up(settings: Settings, secrets: Secrets, config_path: Path) -> None:
    """Supervise core, watch and events, and the local workspace when no Slack tokens are set."""
    environment = dict(os.environ)
    roles = ["core", "watch", "events"]
    if not (secrets.slack_bot_token and secrets.slack_app_token):
        page_token = random_secrets.token_urlsafe(24)
        environment |= {
            settings.slack.bot_token_env: f"xoxb-local-{random_secrets.token_urlsafe(16)}",
            settings.slack.app_token_env: f"xapp-local-{random_secrets.token_urlsafe(16)}",
            SLACK_API_URL_ENV: f"http://127.0.0.1:{settings.workspace.port}/api/",
            PAGE_TOKEN_ENV: page_token,
        }
        roles.insert(0, "workspace")
        logger.info("no Slack tokens: the page is http://127.0.0.1:%d/?token=%s", settings.workspace.port, page_token)
    logs = settings.data_dir / "logs"
    processes = [
        RoleProcess(role, (role, "--config", str(config_path), "--exit-with-parent"), logs / f"{role}.log")
        for role in roles
    ]
    logger.info("starting %s; their logs are in %s", ", ".join(roles), logs)
    await Supervisor(processes, environment).run()


async def until_told_to_stop() -> None:
    """Return at the first SIGTERM or SIGINT."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await told.wait()


def roles_by_user(settings: Settings) -> Mapping[str, frozenset[Role]]:
    """Slack and CLI users with what they may do."""
    return {person.user: frozenset(person.roles) for person in settings.people}
