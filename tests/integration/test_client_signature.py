"""Real clients against a real server: each is taken for what it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "record_signature.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=120)


@pytest.mark.integration
@pytest.mark.parametrize("client", ["openai", "httpx", "curl", "chromium", "web"])
def test_real_client_is_known(client: str) -> None:
    """Every request of the installed client fits the shipped signature of its release."""
    done = run("--check", client)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " fits " in done.stdout


@pytest.mark.integration
def test_draft_of_a_recording() -> None:
    """A recording becomes a draft with the order that held in every request."""
    done = run("httpx")
    assert "  order: [host, accept, accept-encoding, connection, user-agent, authorization" in done.stdout, done.stderr
    assert "  paths: [/v1/chat/completions]" in done.stdout


@pytest.mark.integration
def test_client_nobody_can_drive() -> None:
    """A name that is not known lists those that are."""
    done = run("netscape")
    assert done.returncode == 2
    assert "client is 'netscape', expected one of: openai, httpx, curl, chromium, web" in done.stderr
