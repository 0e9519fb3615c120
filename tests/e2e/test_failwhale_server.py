"""A browser at a server whose failwhale is up: the page comes from the running door, then the door opens again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.browser import chromium
from tests.support.door import leased
from tests.support.serving_server import serving

pytestmark = pytest.mark.e2e


async def test_a_browser_meets_the_page(tmp_path: Path) -> None:
    """Whoever opens the address reads what happened and when to come back; nothing is fetched beside it."""
    with serving(tmp_path / "leases.jsonl") as server:
        fetched: list[str] = []
        async with chromium() as browser:
            page = await browser.new_page()
            page.on("request", lambda request: fetched.append(request.url))
            value = {"message": "Many of you came to see a cat.", "back_at": time.time() + 600}
            with leased(server, "failwhale", value):
                answer = await page.goto(server.url)
                assert answer is not None
                assert answer.status == 503
                assert 500 < int((await answer.all_headers())["retry-after"]) <= 660
                text = await page.inner_text("main")
            assert "Many of you came to see a cat." in text
            assert "in about 10 minutes" in text
            assert fetched == [f"{server.url}/"]
            answer = await page.goto(server.url)
            assert answer is not None
            assert answer.status == 404
