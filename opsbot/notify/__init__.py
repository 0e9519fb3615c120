"""Notify: from a change of state to a message that somebody receives, once."""
