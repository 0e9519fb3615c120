"""How often a minute each method of Slack's Web API may be called. Source: docs.slack.dev, "Rate limits" and the page
of each method. chat.postMessage and chat.update are not here: `opsbot.notify.budget` counts them by channel."""

from __future__ import annotations

from collections.abc import Mapping

TIER_2, TIER_3, TIER_4 = 20.0, 50.0, 100.0

PER_MINUTE: Mapping[str, float] = {
    "bookmarks.add": TIER_2,
    "bots.info": TIER_3,
    "chat.delete": TIER_3,
    "chat.postEphemeral": TIER_4,
    "conversations.history": TIER_3,
    "conversations.info": TIER_3,
    "conversations.join": TIER_3,
    "conversations.list": TIER_2,
    "conversations.members": TIER_4,
    "conversations.open": TIER_3,
    "conversations.replies": TIER_3,
    "files.completeUploadExternal": TIER_4,
    "files.delete": TIER_3,
    "files.getUploadURLExternal": TIER_4,
    "files.info": TIER_4,
    "pins.add": TIER_2,
    "reactions.add": TIER_3,
    "reactions.get": TIER_3,
    "reactions.remove": TIER_2,
    "usergroups.list": TIER_2,
    "usergroups.users.list": TIER_2,
    "users.info": TIER_4,
    "users.list": TIER_2,
    "users.lookupByEmail": TIER_3,
    "views.open": TIER_4,
    "views.publish": TIER_4,
    "views.push": TIER_4,
    "views.update": TIER_4,
}
AT_ONCE = frozenset({"views.open", "views.push"})
"""Never waited for: they are void three seconds after the press."""
