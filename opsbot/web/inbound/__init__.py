"""Inbound webhooks: whose they are, how large they may be, and what of them is an alert."""
