"""A real Prometheus on loopback that takes what a test writes into it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from tests.support.ports import free_port


@contextlib.contextmanager
def prometheus(folder: Path, *, targets: Sequence[str] = (), port: int | None = None) -> Iterator[str]:
    """Prometheus with its data in *folder*, evaluating every second; yields its base URL.

    Args:
        targets: `host:port` of what it scrapes every second.
    """
    binary = shutil.which("prometheus")
    assert binary is not None, "Prometheus is not installed: run `make setup`, or install Debian's package prometheus"
    config = folder / "prometheus.yml"
    folder.mkdir(exist_ok=True)
    config.write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        f"scrape_configs: [{{job_name: serving, static_configs: [{{targets: {list(targets)}}}]}}]\n"
    )
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        binary,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_until_ready(url, folder / "log")
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
    raise AssertionError(f"Prometheus did not start:\n{log.read_text()[-2000:]}")
