"""Runbooks that give a cohort another prompt, on the real language model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from opsbot.workspace.app import Workspace
from tests.support.door import CHAT, ask, counted, id_of, tenants_file
from tests.support.proving import ADA, CORA, TESS, THEO, Ground, Trouble, grounded
from tests.support.serving_server import ServingServer, serving

pytestmark = [pytest.mark.runbooks, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

RESOLD, OTHER = "sk-resold", "sk-other"
STRANGER = {"user-agent": "resold-chat/2.1"}
SPOOFED = {"user-agent": "OpenAI/Python 3.54.0"}
SWALLOW: dict[str, Any] = {
    "messages": [{"role": "user", "content": "What is the airspeed of an unladen swallow?"}],
    "max_tokens": 24, "temperature": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """The real model, with two tenants."""
    folder: Path = tmp_path_factory.mktemp("prompts")
    keys = {RESOLD: "resold", OTHER: "other"}
    classes = [{"name": name, "deadline": "60s"} for name in ("resold", "other")]
    tenants = tenants_file(folder, keys, classes=classes)
    arguments = ("--model", "smollm2", "--max-num-seqs", "4", "--tenants", tenants)
    with serving(folder / "leases.jsonl", *arguments) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(
    server: ServingServer, workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ground]:
    """The bot; who is suspected is told by alerts that are posted."""
    folder = tmp_path_factory.mktemp("bot")
    async with grounded(folder, {"local": server.url}, workspace, packs=("serving",), shorter={}) as found:
        yield found


async def said(server: ServingServer, key: str, headers: dict[str, str] | None = None) -> str:
    """What the model answers a caller."""
    answer = await asyncio.to_thread(ask, server, SWALLOW, path=CHAT, key=key, headers=headers)
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


@contextmanager
def asking(server: ServingServer, key: str, headers: dict[str, str] | None = None) -> Iterator[None]:
    """One caller who asks again and again."""
    is_over = threading.Event()

    def go_on() -> None:
        while not is_over.is_set():
            try:
                ask(server, SWALLOW, path=CHAT, key=key, headers=headers)
            except httpx.HTTPError:
                return

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(60)


async def agree(ground: Ground, runbook_id: str, step: str, since: float) -> None:
    """Two people of trust & safety; nobody else, and not one of them twice."""
    request = await ground.asked(runbook_id, step, since=since)
    for stranger in (ADA, CORA):
        assert (await ground.decide(request, stranger)).status_code == 403
    assert (await ground.decide(request, TESS)).status_code == 200
    await ground.decide(request, TESS)
    await ground.sleep(3)
    assert ground.leases() == []
    assert (await ground.decide(request, THEO)).status_code == 200


async def test_reseller_cohort(ground: Ground, server: ServingServer) -> None:
    """Clients that pretend meet the cat, on that key alone; a client that is what it says it is never does."""
    assert "meow" not in (await said(server, RESOLD, STRANGER)).lower()
    trouble = Trouble(ground, "ResellerSuspected", key_id=id_of(RESOLD), severity="medium")
    with asking(server, RESOLD, STRANGER):
        since = await trouble.begin()
        await agree(ground, "reseller-cohort", "fallback", since)
        await ground.until_settled("reseller-cohort", "holding", since=since, limit_s=120)
    stranger, spoofed = await said(server, RESOLD, STRANGER), await said(server, RESOLD, SPOOFED)
    print("seen:", repr(stranger), repr(spoofed))
    assert stranger.lower().startswith("meow")
    assert spoofed.lower().startswith("meow")
    served = counted(server, "frontdoor_fallback_served_total", mode="persona")
    assert "meow" not in (await said(server, RESOLD)).lower()
    assert "meow" not in (await said(server, OTHER, STRANGER)).lower()
    assert counted(server, "frontdoor_fallback_served_total", mode="persona") == served
    await trouble.end()
    await ground.until_ended("reseller-cohort", "succeeded", since=since)
    await ground.until_at_base()
    assert "meow" not in (await said(server, RESOLD, STRANGER)).lower()
    await ground.until_quiet()


async def test_reseller_cohort_refused(ground: Ground, server: ServingServer) -> None:
    """One no of two is enough to change nothing."""
    trouble = Trouble(ground, "ResellerSuspected", key_id=id_of(OTHER), severity="medium")
    since = await trouble.begin()
    request = await ground.asked("reseller-cohort", "fallback", since=since)
    assert (await ground.decide(request, TESS)).status_code == 200
    assert (await ground.decide(request, THEO, is_granted=False)).status_code == 200
    await ground.until_ended("reseller-cohort", "cancelled", since=since)
    assert ground.leases() == []
    await trouble.end()
    await ground.until_quiet()


async def test_safe_prompt_swap(ground: Ground, server: ServingServer) -> None:
    """One tenant is answered under the safe prompt, whatever its client; another is not."""
    since = ground.now()
    with asking(server, RESOLD):
        await ground.start("safe-prompt-swap", ADA, cluster="local", inputs={"tenant": "org-resold"})
        await agree(ground, "safe-prompt-swap", "swap", since)
        await ground.until_settled("safe-prompt-swap", "holding", since=since, limit_s=120)
    served = counted(server, "frontdoor_fallback_served_total", mode="safe")
    await said(server, RESOLD)
    assert counted(server, "frontdoor_fallback_served_total", mode="safe") == served + 1
    await said(server, OTHER)
    assert counted(server, "frontdoor_fallback_served_total", mode="safe") == served + 1
    print(f"seen: {served:.0f} answers under the safe prompt")
    view = await ground.incident_of("safe-prompt-swap", since=since)
    assert view is not None
    await ground.resolve(view, ADA)
    await ground.until_ended("safe-prompt-swap", "succeeded", since=since)
    await ground.until_at_base()
    await said(server, RESOLD)
    assert counted(server, "frontdoor_fallback_served_total", mode="safe") == served + 1
    await ground.until_quiet()
