"""The whole bot as a person starts it: `opsbot up`, against a serving stub and a workspace that the test brings."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

from opsbot.workspace.app import Workspace
from tests.support.ports import free_port
from tests.support.serving_server import CONTROL_TOKEN

API_TOKEN = "api-token-of-tests"
PERSONAL_TOKEN = "personal-token-of-tests"
LIMIT_S = 40.0

Json = Mapping[str, Any]


class Bot:
    """`opsbot up`, killed and started again at will over one data folder.

    Args:
        runbook: the text of one, or a folder of them.
        rules: the text of a file of alert rules, or a folder of such files.
    """

    def __init__(
        self,
        folder: Path,
        serving_url: str,
        workspace: Workspace,
        runbook: str | Path,
        rules: str | Path,
        *,
        more_settings: Mapping[str, Any] | None = None,
        more_environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.core_port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.core_port}", timeout=10.0, trust_env=False)
        settings = {
            "version": 1,
            "data_dir": str(folder / "data"),
            "runbooks": [str(_as_folder(folder / "runbooks", runbook))],
            "alert_rules": [str(_as_folder(folder / "rules", rules))],
            "serving": [{"cluster": "local", "url": serving_url}],
            "core": {"port": self.core_port},
            "watch": {"port": free_port()},
            "events": {"port": free_port()},
            "people": [
                {"user": "U0ONCALL", "roles": ["responder"]},
                {"user": "cli:tester", "roles": ["responder"], "token_env": "OPSBOT_PERSONAL_TOKEN"},
            ],
            **(more_settings or {}),
        }
        (folder / "opsbot.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        self._environment = {
            **os.environ,
            "SERVING_CONTROL_TOKEN": CONTROL_TOKEN,
            "OPSBOT_API_TOKEN": API_TOKEN,
            "OPSBOT_PERSONAL_TOKEN": PERSONAL_TOKEN,
            "SLACK_BOT_TOKEN": workspace.state.settings.bot_token,
            "SLACK_APP_TOKEN": workspace.state.settings.app_token,
            "SLACK_API_URL": workspace.api_url,
            **(more_environment or {}),
        }

    async def start(self) -> None:
        """Start it and wait until core answers."""
        with (self.folder / "up.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "opsbot", "up", "--config", str(self.folder / "opsbot.yaml")),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        await self.until("core answers", self._answers, bool)

    async def kill(self) -> None:
        """SIGKILL every process of it at once, as a machine that dies would."""
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM; its exit status."""
        assert self._process is not None
        self._process.terminate()
        return await asyncio.wait_for(self._process.wait(), 20)

    def signal_role(self, role: str, number: int) -> None:
        """Send a signal to the process of one role."""
        assert self._process is not None
        up = self._process.pid
        for child in Path(f"/proc/{up}/task/{up}/children").read_text(encoding="utf-8").split():
            if role.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                os.kill(int(child), number)
                return
        raise AssertionError(f"no process of {role}\n{self.logs()}")

    async def acknowledge(self, incident_id: str) -> None:
        """Take an incident as `cli:tester`."""
        answer = await self._http.post(
            f"/api/v1/incidents/{incident_id}/acknowledge", headers={"Authorization": f"Bearer {PERSONAL_TOKEN}"}
        )
        answer.raise_for_status()

    async def page(self, path: str) -> str:
        """What core answers there, as text."""
        return (await self._http.get(path)).raise_for_status().text

    async def command(self, *arguments: str) -> str:
        """What `opsbot ARGUMENTS` prints to somebody at a terminal with the bot's own token."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "opsbot", *arguments, "--config", str(self.folder / "opsbot.yaml")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment,
        )
        said, _ = await asyncio.wait_for(process.communicate(), 2 * LIMIT_S)
        text = said.decode(errors="replace")
        assert process.returncode == 0, f"{text}\n{self.logs()}"
        return text

    async def close(self) -> None:
        """Leave nothing behind."""
        await self.kill()
        await self._http.aclose()

    async def alert(
        self,
        name: str,
        *,
        status: str = "firing",
        labels: Mapping[str, str] | None = None,
        started: str = "2026-01-01T00:00:00Z",
    ) -> None:
        """Post one alert to the alert door, as Alertmanager does."""
        alert = {
            "status": status,
            "labels": {"alertname": name, "cluster": "local", "severity": "critical", **(labels or {})},
            "annotations": {"summary": f"{name} on local"},
            "startsAt": started,
            "endsAt": started if status == "resolved" else "0001-01-01T00:00:00Z",
        }
        answer = await self._http.post(
            "/webhooks/alertmanager",
            json={"version": "4", "alerts": [alert]},
            headers={"Authorization": f"Bearer {API_TOKEN}"},
        )
        answer.raise_for_status()

    async def post(self, path: str, token: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        """What a person with that token does through the API, below `/api/v1/`."""
        return await self._http.post(
            f"/api/v1/{path}", json=dict(body or {}), headers={"Authorization": f"Bearer {token}"}
        )

    async def views(self) -> Sequence[Json]:
        """Every incident, newest first."""
        answer = await self._http.get(
            "/api/v1/incidents", params={"state": "all"}, headers={"Authorization": f"Bearer {API_TOKEN}"}
        )
        found: Sequence[Json] = answer.raise_for_status().json()["incidents"]
        return found

    async def view(self, alertname: str) -> Json | None:
        """The newest incident of that alert."""
        found = [view for view in await self.views() if view["incident"]["labels"]["alertname"] == alertname]
        return found[0] if found else None

    async def until_view(self, alertname: str, is_so: Callable[[Json], bool], what: str) -> Json:
        """Wait until the incident of that alert is so; answers it."""
        found: Json = await self.until(
            what, lambda: self.view(alertname), lambda view: view is not None and is_so(view)
        )
        return found

    async def until(
        self, what: str, read: Callable[[], Any], is_so: Callable[[Any], bool], limit_s: float = LIMIT_S
    ) -> Any:
        """Wait until what is read is so; answers it, and shows the logs when it does not happen."""
        end = time.monotonic() + limit_s
        found = None
        while time.monotonic() < end:
            try:
                found = await read()
                if is_so(found):
                    return found
            except httpx.HTTPError as error:
                found = error
            await asyncio.sleep(0.05)
        raise AssertionError(f"not seen within {limit_s} s: {what}; last: {found!r}\n{self.logs()}")

    def logs(self) -> str:
        """The end of every log."""
        paths = [self.folder / "up.log", *sorted((self.folder / "data/logs").glob("*.log"))]
        return "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in paths if path.exists())

    async def _answers(self) -> bool:
        return (await self._http.get("/healthz")).is_success


def _as_folder(folder: Path, given: str | Path) -> Path:
    """A folder with one file of that text, unless a folder was given."""
    if isinstance(given, Path):
        return given
    folder.mkdir()
    (folder / "one.yaml").write_text(given, encoding="utf-8")
    return folder
