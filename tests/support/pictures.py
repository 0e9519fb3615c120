"""Pictures of the workspace's page for the documents: a desk, a phone, and the desk in the dark, in few colours."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from playwright.async_api import Locator, Page, ViewportSize

DESK, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)
COLOURS = 256
TO_THE_TOP = "one => (one.closest('figure') ?? one.closest('article') ?? one).scrollIntoView({block: 'start'})"
SETTLED_MS = 300
"""The page lays itself out anew after a change of size."""


async def taken(
    page: Page,
    folder: Path,
    name: str,
    eyes_on: Locator | None = None,
    *,
    is_thread: bool = False,
    is_dark_too: bool = False,
) -> None:
    """Write NAME.png and NAME-phone.png, and NAME-dark.png if wanted; the page is as wide as a desk afterwards.

    Args:
        eyes_on: what is brought to the top of the page.
        is_thread: the thread's newest replies are brought into sight.
    """
    await page.mouse.move(0, 0)
    for size, scheme, suffix in ((PHONE, "light", "-phone"), (DESK, "dark", "-dark"), (DESK, "light", "")):
        await page.set_viewport_size(size)
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await page.wait_for_timeout(SETTLED_MS)
        if eyes_on is not None:
            await eyes_on.evaluate(TO_THE_TOP)
        if is_thread:
            await page.evaluate("document.querySelector('#replies').scrollTo(0, 1e6)")
        if suffix != "-dark" or is_dark_too:
            await kept(page, folder / f"{name}{suffix}.png")


async def kept(page: Page, path: Path) -> None:
    """Write what the page shows now."""
    _write_smaller(path, await page.screenshot())


def _write_smaller(path: Path, picture: bytes) -> None:
    """The same picture in COLOURS colours: a third of the bytes, and text as sharp."""
    found = Image.open(io.BytesIO(picture)).convert("RGB")
    found.quantize(COLOURS, dither=Image.Dither.NONE).save(path, format="png", optimize=True)
