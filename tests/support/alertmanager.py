"""A real Alertmanager on loopback that sends to one webhook."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.support.ports import free_port


@contextlib.contextmanager
def alertmanager(folder: Path, webhook: Mapping[str, Any]) -> Iterator[str]:
    """Alertmanager that tells *webhook*, an entry of `webhook_configs`, at once; yields its base URL."""
    binary = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    assert binary is not None, (
        "Alertmanager is not installed: run `make setup`, or install Debian's package prometheus-alertmanager"
    )
    config = folder / "alertmanager.yml"
    settings = {
        "route": {
            "receiver": "opsbot",
            "group_by": ["alertname"],
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": "1h",
        },
        "receivers": [{"name": "opsbot", "webhook_configs": [webhook]}],
    }
    config.write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        binary,
        f"--config.file={config}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=debug",
    ]
    log_path = folder / "alertmanager.log"
    with log_path.open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_until_ready(url, log_path)
            yield url
        finally:
            process.terminate()
            process.wait(10)


def _wait_until_ready(url: str, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/-/ready", trust_env=False).is_success:
                return
        time.sleep(0.1)
    raise AssertionError(f"Alertmanager did not start:\n{log.read_text()[-2000:]}")
