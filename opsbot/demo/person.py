"""Somebody at the page: sees what the page shows and presses what it offers, through the page's own HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

ON_CALL = "U0ONCALL"
TIMEOUT_S = 10.0
DIALOG_LOOK_S = 0.2
DIALOG_TRIES = 50


class PageVisitor:
    """The on-call engineer of the local workspace."""

    def __init__(self, slack_url: str, page_token: str, user: str = ON_CALL) -> None:
        self._http = httpx.AsyncClient(
            base_url=slack_url, headers={"X-Page-Token": page_token}, timeout=TIMEOUT_S, trust_env=False
        )
        self._user = user

    async def close(self) -> None:
        await self._http.aclose()

    async def press(self, channel: str, label: str) -> bool:
        """Press the newest button called *label* in *channel*, and the same in the dialog that it opens.

        False when there is no such button, or nobody took the press.

        Raises: httpx.HTTPError.
        """
        state = (await self._http.get("/ui/state")).raise_for_status().json()
        shown = next(one for one in state["channels"] if one["name"] == channel)
        for message in reversed(shown["messages"]):
            for block_id, button in _buttons(message):
                if button["text"]["text"] == label:
                    pressed = await self._http.post(
                        "/ui/press",
                        json={
                            "user": self._user,
                            "channel": shown["id"],
                            "ts": message["ts"],
                            "block_id": block_id,
                            "action": {"type": "button", "action_id": button["action_id"]},
                        },
                    )
                    return bool(pressed.raise_for_status().json()["ok"]) and await self._submit(label)
        return False

    async def _submit(self, label: str) -> bool:
        """Submit the dialog whose button is called *label*, once it shows its plan."""
        for _ in range(DIALOG_TRIES):
            stack = (await self._http.get("/ui/state")).raise_for_status().json()["views"].get(self._user) or []
            if stack and (stack[-1].get("submit") or {}).get("text") == label:
                sent = await self._http.post(
                    "/ui/submit", json={"user": self._user, "view_id": stack[-1]["id"], "values": {}}
                )
                return bool(sent.raise_for_status().json()["ok"])
            await asyncio.sleep(DIALOG_LOOK_S)
        return False


def _buttons(message: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every button of a message, with its block's id."""
    for block in message.get("blocks", ()):
        elements = [*block.get("elements", ()), block.get("accessory", {})]
        for element in elements:
            if element.get("type") == "button":
                yield block.get("block_id", ""), element
