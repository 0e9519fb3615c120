"""Bolt's listeners, grouped by kind; each is thin: acknowledge, hand the work on, return."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from opsbot.slack.dialogs.desk import DialogDesk
from opsbot.slack.home import Home
from opsbot.slack.listeners import actions, commands, events, options, repeats, shortcuts, views
from opsbot.slack.names import Names
from opsbot.slack.pinning import Here, Pinning
from opsbot.slack.press_desk import PressDesk
from opsbot.slack.seat import Seat


def register(app: AsyncApp, seat: Seat, here: Here | None = None) -> Home:
    """Register everything that the bot listens to; *here* answers the id of the incidents channel."""
    home = Home(seat)
    repeats.register(app, seat.seen)
    names = Names(seat.clock)
    dialogs = DialogDesk(seat, names)
    desk = PressDesk(seat, home.show, names, dialogs)
    pinning = Pinning(seat, here)
    actions.register(app, desk)
    views.register(app, desk)
    commands.register(app, seat, dialogs)
    options.register(app, seat)
    shortcuts.register(app, seat, pinning)
    # Last: it takes what no listener before wanted.
    events.register(app, seat, home, pinning)
    return home
