"""Vital numbers: what each cluster does at a moment, and the two or three of them that an incident is about."""
