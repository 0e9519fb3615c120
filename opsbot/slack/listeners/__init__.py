"""Bolt's listeners, grouped by kind; each is thin: acknowledge, hand the work on, return."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from opsbot.slack.home import Home
from opsbot.slack.listeners import actions, commands, events, repeats, views
from opsbot.slack.press_desk import PressDesk
from opsbot.slack.seat import Seat


def register(app: AsyncApp, seat: Seat) -> None:
    """Register everything that the bot listens to."""
    home = Home(seat)
    desk = PressDesk(seat, home.show)
    repeats.register(app, seat.seen)
    actions.register(app, desk)
    views.register(app, desk)
    commands.register(app, seat)
    # Last: it takes what no listener before wanted.
    events.register(app, seat, home)
