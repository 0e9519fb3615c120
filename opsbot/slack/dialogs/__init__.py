"""Dialogs that ask before something risky is done: what will happen, how it is undone, and what came of it."""
