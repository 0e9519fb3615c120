"""A real server as a process: started on a free port, waited for, its output shown when it fails."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

CONTROL_TOKEN = "control-token-of-tests"
CONTROL = {"Authorization": f"Bearer {CONTROL_TOKEN}"}
START_LIMIT_S = 60.0
STOP_LIMIT_S = 60.0
ONE_THREAD = ("--num-threads", "1")
"""Tests run side by side; threads of one step that wait for each other would wait for the neighbour's too."""


class ServingServer:
    """`python -m serving_stub` with the tiny model unless the arguments say otherwise."""

    def __init__(
        self,
        journal: Path,
        arguments: Sequence[str] = (),
        *,
        token: str | None = CONTROL_TOKEN,
        module: Sequence[str] = ("serving_stub",),
    ) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "SERVING_CONTROL_TOKEN"}
        if token is not None:
            environment["SERVING_CONTROL_TOKEN"] = token
        self.output: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", *module, *self.arguments(journal, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self._wait_until_ready()

    def arguments(self, journal: Path, given: Sequence[str]) -> list[str]:
        """The command line after the module's name."""
        model = () if "--upstream" in given else ("--model", "tiny", *ONE_THREAD)
        return [*model, "--port", "0", "--journal", str(journal), *given]

    def client(self, *, token: bool = True) -> httpx.Client:
        """A client for this server, with the control token unless told otherwise."""
        return httpx.Client(base_url=self.url, timeout=30.0, trust_env=False, headers=CONTROL if token else {})

    def metric(self, name: str, **labels: str) -> float:
        """One sample of `/metrics`."""
        from prometheus_client.parser import text_string_to_metric_families

        text = httpx.get(f"{self.url}/metrics", trust_env=False).text
        (found,) = (
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )
        return float(found)

    def terminate(self) -> int:
        """Ask it to leave; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Kill it as the kernel would."""
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        """Its exit status, once it has left and all its output is read."""
        status = self.process.wait(STOP_LIMIT_S)
        self._reader.join(STOP_LIMIT_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.kill()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line.rstrip())
            self._lines.put(line)
        self._lines.put(None)

    def _wait_until_ready(self) -> str:
        while True:
            try:
                line = self._lines.get(timeout=START_LIMIT_S)
            except queue.Empty:
                self.kill()
                line = None
            if line is None:
                self.wait()
                raise AssertionError("the server did not start:\n" + "\n".join(self.output))
            if " is ready on http" in line:
                return line.split(" is ready on ")[1].split()[0]


@contextmanager
def serving(
    journal: Path, *arguments: str, token: str | None = CONTROL_TOKEN, module: Sequence[str] = ("serving_stub",)
) -> Iterator[ServingServer]:
    """A server for the length of a with block; *module* is started in place of the real one, with its own arguments."""
    server = ServingServer(journal, arguments, token=token, module=module)
    try:
        yield server
    finally:
        server.close()
