"""The failwhale's page in a real browser, under its own policy header: it reads well with and without script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Page, Route, ViewportSize

from serving_stub.frontdoor.failwhale import MESSAGE, Turned
from serving_stub.frontdoor.failwhale_page import FailwhalePage
from tests.support.browser import chromium

pytestmark = pytest.mark.e2e

NOW = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC
ADDRESS = "http://door.test/"


@asynccontextmanager
async def shown(
    turned: Turned,
    *,
    width: int = 1000,
    scheme: Literal["light", "dark"] = "light",
    is_scripted: bool = True,
    problems: list[str] | None = None,
) -> AsyncIterator[Page]:
    """The page as a browser in Tokyo shows it, with reduced motion; what it complains about goes into *problems*."""
    answer = FailwhalePage().answer(turned, NOW)

    async def fulfil(route: Route) -> None:
        # Not its own 503, which Chromium writes on its console, where problems are looked for.
        await route.fulfill(status=200, headers=dict(answer.headers), body=answer.body)

    async with chromium() as browser:
        context = await browser.new_context(
            viewport=ViewportSize(width=width, height=800),
            color_scheme=scheme,
            reduced_motion="reduce",
            java_script_enabled=is_scripted,
            locale="en-GB",
            timezone_id="Asia/Tokyo",
        )
        page = await context.new_page()
        if problems is not None:
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda said: problems.append(said.text))
            page.on("request", lambda request: problems.append(request.url) if request.url != ADDRESS else None)
        await page.route("**/*", fulfil)
        await page.goto(ADDRESS)
        yield page


async def test_the_return_is_also_told_in_local_time(screenshots: Path) -> None:
    """Its own policy lets its own script run, and nothing else is fetched or complained about."""
    problems: list[str] = []
    async with shown(Turned(MESSAGE, 1500, NOW + 24 * 60), width=720, problems=problems) as page:
        text = await page.inner_text("main")
        await page.screenshot(path=screenshots / "failwhale.png", full_page=True)
    assert problems == []
    assert "in about 24 minutes" in text
    assert "14:37 UTC on 21 September 2026" in text
    assert "23:37 on your clock" in text


async def test_it_needs_no_script() -> None:
    """Without one the time is there in UTC and as a wait."""
    async with shown(Turned(MESSAGE, 1500, NOW + 24 * 60), is_scripted=False) as page:
        text = await page.inner_text("main")
    assert "We expect to be back at 14:37 UTC on 21 September 2026." in text
    assert "on your clock" not in text


async def test_a_message_cannot_run_anything() -> None:
    """Markup in it is words."""
    problems: list[str] = []
    async with shown(Turned("<img src=x onerror=alert(1)>", 60, None), problems=problems) as page:
        assert await page.inner_text(".message") == "<img src=x onerror=alert(1)>"
    assert problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390])
async def test_it_fits_a_phone(width: int, scheme: Literal["light", "dark"], screenshots: Path) -> None:
    """Nothing to scroll sideways, not even with a word longer than the screen."""
    async with shown(Turned("x" * 300, 60, NOW + 60), width=width, scheme=scheme) as page:
        assert await page.evaluate("document.documentElement.scrollWidth") == width
        await page.screenshot(path=screenshots / f"failwhale-{width}-{scheme}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_its_words_can_be_told_from_their_ground(scheme: Literal["light", "dark"]) -> None:
    """Every text has the contrast of 4.5 that WCAG 2.2 asks for (1.4.3, level AA), against both ends of the sky."""
    async with shown(Turned(MESSAGE, 60, NOW + 60), scheme=scheme) as page:
        colours = await page.evaluate(
            """() => {
              const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
              const names = ["--ink", "--soft", "--link", "--sky", "--sea", "--card"];
              return Object.fromEntries(names.map((name) => [name, variable(name)]));
            }"""
        )
    for text in ("--ink", "--soft", "--link"):
        for ground in ("--sky", "--sea", "--card"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def contrast(first: str, second: str) -> float:
    """Ratio of two `#rrggbb` colours. Source: WCAG 2.2, "contrast ratio" and "relative luminance"."""
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
