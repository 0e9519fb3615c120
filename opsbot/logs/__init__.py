"""Logs: what a line looks like, what never stands in one, and how every library's lines come through here."""
