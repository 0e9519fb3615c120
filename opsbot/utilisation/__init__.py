"""Utilisation: what the fleet carries, told at set times, and load tests, announced and closed.

The numbers come from `opsbot.vitals` and `opsbot.capacity`; what is told is a `Report`, in plain words, which a channel
renders. Nothing here knows Slack.
"""
