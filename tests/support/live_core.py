"""The whole of core in this process, with a real serving server and a small Slack at its sides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from opsbot.clock import SystemClock
from opsbot.config import load_settings
from opsbot.config_secrets import load_secrets
from opsbot.core import Core
from tests.support.ports import free_port
from tests.support.serving_server import CONTROL_TOKEN
from tests.support.small_slack import APP_TOKEN, BOT_TOKEN, SmallSlack

RUNBOOKS = Path(__file__).parents[2] / "runbooks"
PEOPLE: Mapping[str, list[str]] = {
    "U0ONCALL": ["responder"],
    "U0SECOND": ["responder"],
    "U0COMMANDER": ["commander"],
    "U0SAFETY": ["trust_and_safety"],
    "U0SAFETYTWO": ["trust_and_safety"],
}
ENVIRONMENT = {
    "SLACK_BOT_TOKEN": BOT_TOKEN,
    "SLACK_APP_TOKEN": APP_TOKEN,
    "SERVING_CONTROL_TOKEN": CONTROL_TOKEN,
    "OPSBOT_API_TOKEN": "machine-token-of-tests",
    "PERSONAL_TOKEN": "personal-token-of-tests",
}


@asynccontextmanager
async def live_core(folder: Path, slack: SmallSlack, serving_url: str, **more: Any) -> AsyncIterator[Path]:
    """A core that is connected to *slack*, with cluster `eu-1`, until the block ends; answers the settings' path."""
    people = [{"user": user, "roles": roles} for user, roles in PEOPLE.items()]
    people.append({"user": "cli:ann", "roles": ["responder"], "token_env": "PERSONAL_TOKEN"})
    settings = {
        "version": 1,
        "data_dir": str(folder / "data"),
        "runbooks": [str(RUNBOOKS / "by-hand")],
        "alert_rules": [],
        "serving": [{"cluster": "eu-1", "url": serving_url}],
        "core": {"port": free_port()},
        "watch": {"port": free_port()},
        "slack": {"channel": "incidents"},
        "people": people,
        **more,
    }
    path = folder / "opsbot.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    loaded = load_settings(path)
    core = Core(loaded, load_secrets(loaded, ENVIRONMENT), f"{slack.url}/api/", SystemClock())
    running = asyncio.create_task(core.run())
    try:
        async with asyncio.timeout(20):
            while not slack.is_connected:
                if running.done():
                    running.result()
                await asyncio.sleep(0.05)
        yield path
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
