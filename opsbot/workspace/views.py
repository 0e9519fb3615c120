"""Views: each person's stack of open dialogs, and their Home tab, by Slack's rules.

The rules stand in Slack's reference: docs.slack.dev/surfaces/modals and docs.slack.dev/reference/methods/views.open.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

from opsbot.workspace.blocks import IsImage
from opsbot.workspace.blocks_layout import Surface
from opsbot.workspace.blocks_view import check_view
from opsbot.workspace.settings import APP_ID, BOT_ID, TEAM_ID
from opsbot.workspace.state import SlackError, WorkspaceState
from opsbot.workspace.surface import Payload, with_ids
from opsbot.workspace.trigger import Triggers

MAX_STACK = 3


class Views:
    """Everyone's views.

    Args:
        is_image: whether an id or address is that of an image that was uploaded.
    """

    def __init__(self, state: WorkspaceState, triggers: Triggers, is_image: IsImage | None = None) -> None:
        self._state = state
        self._triggers = triggers
        self._is_image = is_image
        self._stacks: dict[str, list[Payload]] = {}

    @property
    def stacks(self) -> Mapping[str, list[Payload]]:
        """Open dialogs by person, the one on top last."""
        return self._stacks

    def open(self, trigger_id: str, view: object) -> Payload:
        """Show a dialog, instead of those that were open. Raises: SlackError."""
        content = check_view(view, Surface.MODAL, self._is_image)
        user_id = self._triggers.check(trigger_id)
        self._check_external_id(content, but=self._stacks.get(user_id, ()))
        self._triggers.exchange(trigger_id)
        made = _made(content)
        made["root_view_id"] = made["id"]
        self._show(user_id, [made])
        return made

    def push(self, trigger_id: str, view: object) -> Payload:
        """Show a dialog on top of the one that is open. Raises: SlackError."""
        content = check_view(view, Surface.MODAL, self._is_image)
        user_id = self._triggers.check(trigger_id)
        self._check_push(user_id)
        self._check_external_id(content)
        self._triggers.exchange(trigger_id)
        return self._pushed(user_id, content)

    def update(self, view: object, view_id: str = "", external_id: str = "", hash_: str = "") -> Payload:
        """Show something else in a dialog that is open; it need not be the one on top. Raises: SlackError."""
        if not view_id and not external_id:
            raise SlackError("invalid_arguments", "view_id or external_id is needed")
        content = check_view(view, Surface.MODAL, self._is_image)
        user_id, old = self._open_view(view_id, external_id)
        if hash_ and hash_ != old["hash"]:
            raise SlackError("hash_conflict")
        return self._replaced(user_id, old, content)

    def publish(self, user_id: str, view: object, hash_: str = "") -> Payload:
        """Show something in somebody's Home tab. Raises: SlackError."""
        if user_id not in {member.user_id for member in self._state.settings.members}:
            raise SlackError("user_not_found")
        content = check_view(view, Surface.HOME, self._is_image)
        old = self._state.homes.get(user_id, {})
        if hash_ and hash_ != old.get("hash"):
            raise SlackError("hash_conflict")
        made = _made(content)
        made["id"] = made["root_view_id"] = old.get("id") or made["id"]
        self._state.publish_home(user_id, made)
        return made

    def find(self, user_id: str, view_id: str) -> Payload:
        """A view that this person sees: a dialog, or their Home tab (the one without *view_id*).

        Raises: SlackError `not_found`.
        """
        home = self._state.homes.get(user_id)
        if home is not None and view_id in ("", home.get("id")):
            return home
        for view in self._stacks.get(user_id, ()):
            if view["id"] == view_id:
                return view
        raise SlackError("not_found")

    def close(self, user_id: str, view_id: str, *, is_cleared: bool) -> list[Payload]:
        """Somebody closes a dialog, or all of them; answers those, the top one first. Raises: SlackError."""
        view = self._modal(user_id, view_id)
        stack = self._stacks[user_id]
        left = [] if is_cleared or view["clear_on_close"] else stack[: stack.index(view)]
        closed = stack[len(left) :]
        self._show(user_id, left)
        return closed[::-1]

    # -- what an app answers a submission with

    def submitted(self, user_id: str, view_id: str) -> None:
        """The app has taken what was filled in: that dialog closes, the one below shows again."""
        self._show(user_id, [view for view in self._stacks.get(user_id, ()) if view["id"] != view_id])

    def cleared(self, user_id: str) -> None:
        """Every dialog closes."""
        self._show(user_id, [])

    def answered(self, user_id: str, view_id: str, action: str, view: object) -> None:
        """`response_action` "update" or "push". Raises: SlackError."""
        content = check_view(view, Surface.MODAL, self._is_image)
        if action == "push":
            self._check_push(user_id)
            self._check_external_id(content)
            self._pushed(user_id, content)
        else:
            self._replaced(user_id, self._modal(user_id, view_id), content)

    # -- parts

    def _pushed(self, user_id: str, content: Payload) -> Payload:
        stack = self._stacks[user_id]
        made = _made(content)
        made |= {"previous_view_id": stack[-1]["id"], "root_view_id": stack[0]["id"]}
        self._show(user_id, [*stack, made])
        return made

    def _replaced(self, user_id: str, old: Payload, content: Payload) -> Payload:
        self._check_external_id(content, but=(old,))
        made = _made(content)
        made |= {name: old[name] for name in ("id", "previous_view_id", "root_view_id")}
        self._show(user_id, [made if view["id"] == old["id"] else view for view in self._stacks[user_id]])
        return made

    def _show(self, user_id: str, stack: list[Payload]) -> None:
        if stack:
            self._stacks[user_id] = stack
        else:
            self._stacks.pop(user_id, None)
        self._state.tell({"type": "views", "user": user_id, "views": stack})

    def _modal(self, user_id: str, view_id: str) -> Payload:
        for view in self._stacks.get(user_id, ()):
            if view["id"] == view_id:
                return view
        raise SlackError("not_found")

    def _open_view(self, view_id: str, external_id: str) -> tuple[str, Payload]:
        for user_id, view in self._all():
            if view["id"] == view_id if view_id else view["external_id"] == external_id:
                return user_id, view
        raise SlackError("not_found")

    def _all(self) -> Iterator[tuple[str, Payload]]:
        return ((user_id, view) for user_id, stack in self._stacks.items() for view in stack)

    def _check_push(self, user_id: str) -> None:
        open_now = len(self._stacks.get(user_id, ()))
        if not open_now:
            raise SlackError("not_found", "there is no open view to push onto")
        if open_now >= MAX_STACK:
            raise SlackError("push_limit_reached")

    def _check_external_id(self, content: Payload, but: Any = ()) -> None:
        external_id, left_out = content.get("external_id"), {view["id"] for view in but}
        if external_id and any(
            view["external_id"] == external_id for _, view in self._all() if view["id"] not in left_out
        ):
            raise SlackError("duplicate_external_id")


def _made(content: Payload) -> Payload:
    """The view as Slack answers and sends it, with everything that the app did not say."""
    view_id = f"V{secrets.token_hex(5).upper()}"
    return {
        "id": view_id,
        "team_id": TEAM_ID,
        "type": content["type"],
        "blocks": with_ids(content.get("blocks") or ()),
        "private_metadata": content.get("private_metadata") or "",
        "callback_id": content.get("callback_id") or "",
        "state": {"values": {}},
        "hash": f"{time.time():.0f}.{secrets.token_urlsafe(6)}",
        "title": content.get("title") or {"type": "plain_text", "text": "View Title", "emoji": True},
        "clear_on_close": bool(content.get("clear_on_close")),
        "notify_on_close": bool(content.get("notify_on_close")),
        "close": content.get("close"),
        "submit": content.get("submit"),
        "submit_disabled": bool(content.get("submit_disabled")),
        "previous_view_id": None,
        "root_view_id": view_id,
        "app_id": APP_ID,
        "external_id": content.get("external_id") or "",
        "app_installed_team_id": TEAM_ID,
        "bot_id": BOT_ID,
    }
